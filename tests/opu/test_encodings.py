import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from opu.encodings import Binary, BitPlanes, Ternary, encoding_from
from opu.errors import ConfigError, EncodingWarning, InputError

rows = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False),
)


@given(rows, st.integers(1, 16))
def test_bit_planes_are_fixed_point(x, bits):
    encoded = BitPlanes(bits).encode(x)
    peak = np.abs(x).max(axis=1, keepdims=True)
    assert np.abs(encoded.decoded() - x).max() <= (peak / (2 * (2**bits - 1))).max() * (1 + 1e-9)
    assert not (encoded.positive & encoded.negative).any()
    assert not encoded.positive[np.broadcast_to((x <= 0)[:, None], encoded.positive.shape)].any()


@given(rows, st.floats(0, 0.99))
def test_ternary_restores_the_norm_of_every_row(x, threshold):
    encoded = Ternary(threshold=threshold).encode(x)
    norms = np.linalg.norm(x, axis=1)
    assert np.allclose(np.linalg.norm(encoded.decoded(), axis=1), norms, rtol=1e-9)
    cut = threshold * np.abs(x).max(axis=1, keepdims=True)
    assert np.array_equal(encoded.positive[:, 0], x > cut)
    assert np.array_equal(encoded.negative[:, 0], -x > cut)


@given(hnp.arrays(np.bool_, (3, 5)))
def test_binary_is_exact(bits):
    assert np.array_equal(Binary().encode(bits.astype(float)).decoded(), bits)


def test_binary_refuses_other_values():
    with pytest.raises(InputError, match=r"1 of 3 values .* 0\.5"):
        Binary().encode(np.array([[0.0, 0.5, 1.0]]))


@pytest.mark.parametrize("encoding", [Ternary(), BitPlanes(), Binary()])
def test_nothing_encodes_to_nothing(encoding):
    encoded = encoding.encode(np.zeros((2, 3)))
    assert not encoded.positive.any()
    assert not encoded.negative.any()
    assert np.array_equal(encoded.scale, np.zeros(2))


def test_threshold_below_the_untrained_error_is_warned_of():
    with pytest.warns(EncodingWarning, match=r"0\.1 is at or below 1/\(classes - 1\) = 0\.111"):
        Ternary(threshold=0.1).warn_if_below_untrained_error(10)
    Ternary(threshold=0.3).warn_if_below_untrained_error(10)


def test_untrained_softmax_error_lights_one_wrong_class_set_only_below_the_threshold():
    """The reason for the warning: e = 1/C - onehot; relative to max|e| = 1 - 1/C, every wrong class stands at 1/(C-1)."""
    error = np.full((1, 10), 0.1) - np.eye(10)[:1]
    assert Ternary(threshold=0.11).encode(error).positive.sum() == 9
    assert Ternary(threshold=0.12).encode(error).positive.sum() == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ternary", Ternary()),
        ({"kind": "ternary", "threshold": 0.5}, Ternary(threshold=0.5)),
        ({"kind": "bitplanes", "bits": 4}, BitPlanes(bits=4)),
        (Binary(), Binary()),
    ],
)
def test_encodings_by_name_table_and_object(value, expected):
    assert encoding_from(value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ternery", "unknown kind 'ternery'; did you mean 'ternary'"),
        ({"kind": "ternary", "treshold": 0.3}, r"lab\.treshold: unknown key; did you mean 'threshold'"),
        ({"kind": "ternary", "threshold": 1.5}, r"lab: ternary threshold = 1\.5: must be a number from 0"),
        ({"kind": "bitplanes", "bits": 0}, "bits = 0: must be an integer from 1 to 16"),
        (Ternary, "allowed: binary"),
        (3, "allowed: binary, ternary, bitplanes"),
    ],
)
def test_wrong_encodings_are_named(value, message):
    with pytest.raises(ConfigError, match=message):
        encoding_from(value, "lab")
