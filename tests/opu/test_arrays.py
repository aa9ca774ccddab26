"""Array in, same kind out. `array_api_strict` stands for every library but NumPy: it has the standard and nothing more."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import opu
from opu.anchor import Anchor
from opu.arrays import kind_of, like, taken
from opu.encodings import Binary, BitPlanes, Ternary
from opu.errors import InputError, Saturated
from opu.frames import checked_binary, checked_finite, checked_packed, pack
from opu.holography import Holography
from opu.kinds import load_kind
from opu.phase_stepping import PhaseStepping
from opu.processor import OPU
from opu.retrieval import Difference
from opu.retrieval import field as field_of

STRICT = ("numpy", "array_api_strict")
SMALL = {"n_inputs": 30, "n_outputs": 100, "seed": 7}
ENCODINGS = [Binary(), Ternary(), BitPlanes()]
RETRIEVALS = [Anchor(4), Anchor(2), Difference()]
rows = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False),
)


def equal(one: object, other: np.ndarray) -> bool:
    """Strict's and NumPy's, to the last bit."""
    assert kind_of(one) == "array_api_strict"
    plain = np.asarray(one)
    return (plain.dtype, plain.shape, plain.tobytes()) == (other.dtype, other.shape, other.tobytes())


class StrictDevice:
    """Another device that takes strict arrays too, and once `closed_to_numpy` nothing else."""

    def __init__(self, device):
        self.inner, self.closed_to_numpy = device, False
        self.spec = replace(device.spec, frame_arrays=STRICT)
        self.open, self.close = device.open, device.close
        self.configure, self.status = device.configure, device.status

    def measure(self, frames):
        if isinstance(frames, np.ndarray):
            assert not self.closed_to_numpy, "the frames were converted to NumPy on the way"
            return self.inner.measure(frames)
        frames = checked_packed(frames, self.spec.n_inputs, self.spec.frame_arrays)
        return strict.asarray(self.inner.measure(frames._array))


def pair(**options):
    """The same simulated OPU twice, calibrated: the second works in the namespace of strict arrays."""
    keys = ("encoding", "retrieval")
    parameters = SMALL | {key: value for key, value in options.items() if key not in keys}
    chosen = {key: options[key] for key in keys if key in options}
    plain = OPU(opu.open("sim", **parameters).device, **chosen)
    device = StrictDevice(opu.open("sim", **parameters).device)
    for o in (plain, other := OPU(device, **chosen)):
        o.device.close()
        o.open().calibrate()
    device.closed_to_numpy = True
    return plain, other


@pytest.mark.filterwarnings("ignore::opu.errors.TooDark")  # with 3 bits
@pytest.mark.parametrize("bit_depth", [3, 8, 12])
@pytest.mark.parametrize("retrieval", RETRIEVALS, ids=lambda each: each.kind)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda each: each.kind)
def test_arrays_that_the_device_takes_are_never_converted(encoding, retrieval, bit_depth, monkeypatch):
    monkeypatch.setattr("opu.processor.BLOCK_BYTES", 20_000)
    plain, other = pair(encoding=encoding, retrieval=retrieval, camera={"bit_depth": bit_depth})
    e = np.random.default_rng(0).integers(-3, 4, (13, 30)).astype(float)
    e[[2, 5]] = 0
    if encoding.kind == "binary":
        e = (e > 0).astype(float)
    x = e > 0
    monkeypatch.setattr(type(strict.ones(1)), "__array__", None)  # what np.asarray would call
    results = [(other.linear_transform(strict.asarray(e)), plain.linear_transform(e))]
    results += [(other.linear_transform(strict.asarray(e[0])), plain.linear_transform(e[0]))]
    results += [(other.transform(strict.asarray(x)), plain.transform(x))]
    results += [(other.transform(strict.asarray(x[0])), plain.transform(x[0]))]
    monkeypatch.undo()
    for got, expected in results:
        assert equal(got, expected)


@settings(deadline=None)
@given(rows, st.sampled_from([Ternary(), Ternary(threshold=0), BitPlanes(), BitPlanes(16), BitPlanes(1)]))
def test_encodings_are_the_same_in_any_namespace(x, encoding):
    one, other = encoding.encode(strict.asarray(x)), encoding.encode(x)
    for name in ("positive", "negative", "weights", "scale"):
        assert equal(getattr(one, name), getattr(other, name))
    assert equal(one.decoded(), other.decoded())


@settings(deadline=None)
@given(hnp.arrays(np.bool_, (3, 5)))
def test_the_binary_encoding_is_the_same_in_any_namespace(bits):
    one, other = Binary().encode(strict.asarray(bits.astype(float))), Binary().encode(bits.astype(float))
    for name in ("positive", "negative", "weights", "scale"):
        assert equal(getattr(one, name), getattr(other, name))


def test_the_binary_encoding_refuses_other_values_in_any_namespace():
    with pytest.raises(InputError, match=r"1 of 3 values .* 0\.5"):
        Binary().encode(strict.asarray([[0.0, 0.5, 1.0]]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("retrieval", RETRIEVALS, ids=lambda each: each.kind)
def test_retrievals_are_the_same_in_any_namespace(retrieval, dtype):
    with opu.open("sim", **SMALL) as o:
        calibration, spec = o.calibrate(), o.spec
    rng = np.random.default_rng(0)
    signs = rng.integers(-1, 2, (6, 30))
    signs[1] = 0
    readings = rng.integers(0, np.iinfo(dtype).max, (6, retrieval.frames_per_plane, 100), dtype, endpoint=True)
    planes = signs > 0, signs < 0
    others = [strict.asarray(each) for each in planes]
    moved = calibration.beside(others[0])
    assert equal(retrieval.frames(*others, spec), retrieval.frames(*planes, spec))
    field = field_of(retrieval, readings, *planes, calibration, spec)
    assert field.dtype == np.float32
    assert equal(field_of(retrieval, strict.asarray(readings), *others, moved, spec), field)
    assert equal(moved.reference.row_gain, calibration.reference.row_gain)
    assert equal(moved.dark_limit(strict.uint8), calibration.dark_limit(np.uint8))


@pytest.mark.parametrize("retrieval", [PhaseStepping(2), PhaseStepping(3), PhaseStepping(4), Holography()])
def test_interference_is_the_same_in_any_namespace(retrieval):
    spec = replace(
        load_kind("sim").build(load_kind("sim").settings(n_inputs=30, n_outputs=48 * 40)).spec,
        reference_arm="phase",
        output_shape=(48, 40),
        grain_px=4.0,
        reference_tilt_cycles_per_px=(0.28, 0.28),
    )
    readings = np.random.default_rng(0).integers(0, 255, (3, retrieval.frames_per_plane, 48 * 40), np.uint8)
    expected = retrieval.interference(readings, spec)
    got = np.asarray(retrieval.interference(strict.asarray(readings), spec))
    assert got.dtype == expected.dtype == np.float32
    assert np.allclose(got, expected, rtol=0, atol=1e-3)  # float32 FFTs of 1920 readings to 255


@settings(deadline=None)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_packing_is_the_same_in_any_namespace(bits):
    packed = pack(strict.asarray(bits))
    assert equal(packed, np.packbits(bits, axis=1))
    assert equal(checked_packed(strict.asarray(bits), bits.shape[1], STRICT), np.packbits(bits, axis=1))
    assert equal(checked_packed(packed, bits.shape[1], STRICT), np.packbits(bits, axis=1))


@pytest.mark.parametrize(
    ("check", "values", "message"),
    [
        (checked_finite, [[0.0, np.nan]], r"e\[0, 1\] = .*nan.* \(1 of 2 values"),
        (checked_finite, [[-np.inf, 1.0]], r"e\[0, 0\] = .*inf"),
        (checked_finite, [[1.0, 2.0, 3.0]], r"shape \(1, 3\).*this OPU has 2 inputs"),
        (checked_finite, np.zeros((0, 2)), "0 rows"),
        (checked_finite, np.zeros((1, 2), complex), "pass real numbers"),
        (checked_finite, [[1e31, 0.0]], "the limit"),
        (checked_binary, [[1.0, 0.5]], r"x\[0, 1\] = .*0\.5.* \(1 of 2 values are not\)"),
    ],
)
def test_bad_values_are_refused_in_any_namespace(check, values, message):
    with pytest.raises(InputError, match=message):
        check(strict.asarray(values), 2, STRICT)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((1, 13)), "dtype"),
        (np.zeros((1, 12), bool), r"shape \(1, 12\)"),
        (np.zeros((0, 13), bool), "0 frames"),
        (np.zeros((1, 3), np.uint8), r"need \(n, 2\) bytes"),
        (np.full((1, 2), 255, np.uint8), "padding bit beyond input 12"),
    ],
)
def test_bad_frames_are_refused_in_any_namespace(frames, message):
    with pytest.raises(InputError, match=message):
        checked_packed(strict.asarray(frames), 13, STRICT)
    with pytest.raises(InputError, match="frames are a"):
        checked_packed(strict.asarray(frames), 13)


def test_light_is_judged_in_any_namespace():
    _, other = pair()
    other.device.closed_to_numpy = False
    other.calibrate(fill=0.04)
    with pytest.warns(Saturated):
        other.transform(strict.ones((3, 30)))


def test_a_new_calibration_replaces_the_moved_one():
    plain, other = pair()
    e = np.random.default_rng(0).standard_normal((3, 30))
    other.linear_transform(strict.asarray(e))
    other.device.closed_to_numpy = False
    for o in (plain, other):
        o.device.close()
        o.open().calibrate(fill=0.3)
    assert equal(other.linear_transform(strict.asarray(e)), plain.linear_transform(e))


def test_a_calibration_made_on_the_way_is_used():
    device = StrictDevice(opu.open("sim", **SMALL).device)
    assert kind_of(OPU(device).transform(strict.ones(30))) == "array_api_strict"


@pytest.mark.parametrize("e", [strict.ones((2, 30)), [[1] * 30] * 2, ((1.0,) * 30,) * 2, np.ones((2, 30), np.float16)])
def test_everything_else_is_numpy(e):
    with opu.open("sim", **SMALL) as o:
        assert o.spec.frame_arrays == ("numpy",)
        for result in (o.linear_transform(e), o.transform(e)):
            assert type(result) is np.ndarray
            assert result.shape == (2, 100)


@pytest.fixture
def cupy(monkeypatch):
    """As much of CuPy as passing through takes: an array on a device, which NumPy may not take implicitly."""
    fake = ModuleType("cupy")

    class ndarray:
        def __init__(self, array):
            self.array, self.device = array, nullcontext()

        def get(self):
            return self.array

        def __array__(self, *_):
            raise TypeError("Implicit conversion to a NumPy array is not allowed")

    fake.ndarray, fake.asarray = ndarray, ndarray
    monkeypatch.setitem(sys.modules, "cupy", fake)
    compat = SimpleNamespace(__name__="array_api_compat.cupy")
    ndarray.__array_namespace__ = lambda self, api_version=None: compat
    monkeypatch.setattr("opu.arrays.array_namespace", lambda x: compat)
    return fake


def test_cupy_passes_through_numpy_where_the_device_takes_only_that(cupy):
    e = np.random.default_rng(0).standard_normal((2, 30))
    with opu.open("sim", **SMALL, preset="ideal") as o:
        z, y = o.linear_transform(cupy.asarray(e)), o.transform(cupy.asarray(e > 0))
        assert isinstance(z, cupy.ndarray)
        assert isinstance(y, cupy.ndarray)
        assert np.array_equal(z.array, o.linear_transform(e))
        assert np.array_equal(y.array, o.transform(e > 0))


def test_pools_and_shards_take_numpy_alone():
    from concurrent.futures import ThreadPoolExecutor

    from opu.sim.device import SimulatedDevice
    from opu.sim.settings import SimSettings

    gpu = {"n_inputs": 8, "n_outputs": 16, "compute": "cuda"}
    devices = [SimulatedDevice(SimSettings(**gpu, seed=seed)) for seed in (1, 2)]
    assert devices[0].spec.frame_arrays == ("numpy", "cupy")
    assert opu.PooledDevice(devices).spec.frame_arrays == ("numpy",)
    with ThreadPoolExecutor(2) as executor:
        shards = opu.Shard("sim", gpu | {"seed": 1}).split(2)
        assert opu.ShardedDevice(shards, executor).spec.frame_arrays == ("numpy",)


class TestTorch:
    """Tensors in, tensors out: through NumPy, which has no bfloat16, and out of autograd."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch", reason="PyTorch is not installed (pip install torch)")

    @pytest.mark.parametrize("bit_depth", [8, 12])
    def test_both_transforms(self, torch, bit_depth):
        e = torch.randn(3, 30, generator=torch.Generator().manual_seed(0))
        with opu.open("sim", **SMALL, preset="ideal", camera={"bit_depth": bit_depth}) as o:
            for given_e in (e, e[0], e.double(), e.clone().requires_grad_(), torch.nn.Parameter(e)):
                z = o.linear_transform(given_e)
                assert isinstance(z, torch.Tensor)
                assert (z.dtype, z.device, z.requires_grad) == (torch.float32, e.device, False)
                assert np.array_equal(z.numpy(), o.linear_transform(given_e.detach().numpy()))
            for x in (e > 0, (e > 0).float(), (e > 0).to(torch.uint8), (e > 0)[0]):
                y = o.transform(x)
                assert isinstance(y, torch.Tensor)
                assert y.dtype == (torch.uint8 if bit_depth == 8 else torch.uint16)
                assert np.array_equal(y.numpy(), o.transform(x.numpy()))

    def test_short_floats(self, torch):
        e = torch.arange(30.0) / 32
        for dtype in (torch.bfloat16, torch.float16, torch.float8_e4m3fn):
            short = e.to(dtype)
            assert np.array_equal(taken(short), short.float().numpy())
            assert taken(short).dtype == np.float32

    def test_awkward_tensors(self, torch):
        with pytest.raises(InputError, match="e has dtype complex64"):
            checked_finite(torch.zeros(1, 2, dtype=torch.complex64), 2)
        with pytest.raises(InputError, match=r"e has shape \(1, 3\); expected"):
            checked_finite(torch.zeros(1, 3), 2)
        with pytest.raises(InputError, match=r"e does not convert to an array .*pass a dense array"):
            checked_finite(torch.eye(2).to_sparse(), 2)
        negated = torch.imag(torch.tensor([[1 + 1j, 2 + 2j]]).conj())
        assert checked_finite(negated, 2)[0].tolist() == [[-1.0, -2.0]]
        assert like(np.ones(3), torch.zeros(1)).tolist() == [1.0, 1.0, 1.0]
