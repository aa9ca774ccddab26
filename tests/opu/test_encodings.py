import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from opu.encodings import ONE, Binary, BitPlanes, Stochastic, Ternary, encoding_from
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


@pytest.mark.parametrize("encoding", [Ternary(), BitPlanes(), Binary(), Stochastic(), Stochastic(3)])
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
        ({"kind": "stochastic", "planes": 2}, Stochastic(planes=2)),
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
        ({"kind": "stochastic", "planes": 0}, "planes = 0: must be an integer from 1 to 64"),
        (Ternary, "allowed: binary"),
        (3, "allowed: binary, ternary, bitplanes, stochastic"),
    ],
)
def test_wrong_encodings_are_named(value, message):
    with pytest.raises(ConfigError, match=message):
        encoding_from(value, "lab")


@given(rows, st.integers(1, 5))
def test_stochastic_rounding_shows_every_share_or_the_next(x, planes):
    """Over k planes an input is on floor(k share) or ceil(k share) times, and in a plane floor or ceil of the shares' sum."""
    encoded = Stochastic(planes).encode(x)
    peak = np.abs(x).max(axis=1, keepdims=True)
    share = np.round(np.abs(x) / np.where(peak > 0, peak, 1) * ONE) / ONE
    on = encoded.positive | encoded.negative
    assert (np.abs(on.sum(axis=1) - planes * share) < 1).all()
    assert (np.abs(on.sum(axis=2) - share.sum(axis=1)[:, None]) < 1).all()
    assert not encoded.positive[np.broadcast_to((x <= 0)[:, None], on.shape)].any()
    assert not encoded.negative[np.broadcast_to((x >= 0)[:, None], on.shape)].any()
    assert (np.abs(encoded.decoded() - x) <= peak * (1 / planes + 1e-6)).all()


@given(rows)
def test_stochastic_rounding_is_a_function_of_the_row(x):
    together = Stochastic(2).encode(x).positive
    assert np.array_equal(together, np.concatenate([Stochastic(2).encode(row[None]).positive for row in x]))
    other = Stochastic(2).encode(strict.asarray(x)).positive
    assert np.array_equal(together, np.asarray(other))


@pytest.mark.parametrize("planes", [1, 3])
def test_stochastic_rounding_averages_to_the_row(planes):
    """Rows that differ by 1e-6 are sampled afresh: n of them average to x within 5 deviations of at most peak/(2 k sqrt(n))."""
    rng = np.random.default_rng(0)
    x, n = rng.standard_normal(20), 20000
    encoded = Stochastic(planes).encode(x * (1 + 1e-6 * rng.standard_normal((n, 20))))
    bound = 5 * np.abs(x).max() / (2 * planes * n**0.5)
    assert np.abs(encoded.decoded().mean(axis=0) - x).max() < bound


def test_stochastic_rounding_of_a_softmax_error_shows_the_true_class_and_one_wrong_one():
    """The wrong classes' shares add up to 1, as the true one's does."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(65, 0.1), 200)
    encoded = Stochastic().encode(p - np.eye(65)[rng.integers(0, 65, 200)])
    assert (encoded.negative.sum(axis=2) == 1).all()
    # roundings to ONE may add up to a little less or more than 1, for a few rows
    assert np.mean(encoded.positive.sum(axis=2) == 1) > 0.98
