import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opu.characterization.bench import MAX_OUTPUTS, Bench, choose_outputs
from opu.device import Acquisition, DeviceSpec
from opu.errors import CapabilityError
from opu.testing import ReferenceDevice


def spec(n_outputs: int, shape: tuple[int, int] | None = None, grain_px: float = 0.0) -> DeviceSpec:
    return DeviceSpec(
        "made up", "m", "1", 8, n_outputs, 8, 255, 1e3, 1e-6, 1.0, "f", output_shape=shape, grain_px=grain_px
    )


class Described:
    def __init__(self, spec: DeviceSpec) -> None:
        self.spec = spec


@given(st.integers(32, 20_000))
def test_outputs_are_a_sample_and_blocks_share_them_out(n):
    outputs = choose_outputs(spec(n))
    assert len(np.unique(outputs)) == len(outputs) <= MAX_OUTPUTS
    assert outputs.max() < n
    bench = Bench(Described(spec(n)), outputs)
    sizes = bench.per_block(np.ones(len(outputs)))
    assert sizes.sum() == len(outputs)
    assert sizes.max() - sizes.min() <= 1


@given(st.integers(6, 80), st.integers(6, 80), st.floats(0.0, 5.0))
def test_tiles_cover_a_region_once_and_hold_neighbours(rows, columns, grain):
    made = spec(rows * columns, (rows, columns), grain)
    bench = Bench(Described(made), choose_outputs(made) if rows * columns >= 32 else np.arange(rows * columns))
    values = np.random.default_rng(0).random((3, len(bench.outputs)))
    sums = bench.per_block(values)
    assert 4 <= len(sums) <= 64
    assert np.allclose(sums.sum(axis=0), values.sum(axis=1))
    for tile in range(int(bench.tiles.max()) + 1):
        row, column = np.nonzero(bench.tiles == tile)
        assert (row.max() - row.min() + 1) * (column.max() - column.min() + 1) == len(row)


def test_readings_are_those_of_the_chosen_outputs_in_any_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((100, 9)) + 1j * rng.standard_normal((100, 9))
    device = ReferenceDevice(matrix, anchor_input=4, brightness=1e3)
    device.open()
    bench = Bench(device, np.arange(0, 100, 3))
    data = bench.patterns(20, purpose=1)
    assert data.shape == (20, 8)
    assert (data.sum(axis=1) == 4).all()
    frames = bench.frames(data, anchor=True)
    assert frames[:, 4].all()
    acquisition = Acquisition(1e-3)
    whole = bench.show(frames, acquisition)
    assert np.array_equal(whole, device.measure(frames)[:, ::3])
    monkeypatch.setattr("opu.characterization.bench.BLOCK_BYTES", 1)
    assert np.array_equal(bench.show(frames, acquisition), whole)
    assert np.allclose(bench.totals(frames, acquisition).mean_dn[::3], whole.mean(axis=0))


def test_too_few_outputs_are_refused_with_the_number_needed():
    with pytest.raises(CapabilityError, match=r"has 31 outputs.*needs 32"):
        choose_outputs(spec(31))
    with pytest.raises(CapabilityError, match=r"has 20 usable outputs"):
        Bench(Described(spec(40)), np.arange(40)).without(np.arange(20))
