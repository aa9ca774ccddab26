import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from opu.sim.hashing import keys, mix, words

MASK = 2**64 - 1
index = st.integers(0, 2**32 - 1)


def word(seed: int, column: int, group: int) -> int:
    """The published recipe in Python integers."""
    k0, k1 = keys(seed)
    z = (k0 + ((column << 32) | group) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z ^= k1
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_published_vector():
    assert words(42, [12345], [678])[0, 0] == 0x7F2C1476104A7500


def test_mix_is_splitmix64():
    # First outputs of SplitMix64 seeded with 1234567 (Vigna's reference implementation).
    state, outputs = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        outputs.append(mix(state))
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.integers(0, MASK), st.lists(index, min_size=1, max_size=3), st.lists(index, min_size=1, max_size=3))
def test_array_words_equal_scalar_words(seed, columns, groups):
    expected = [[word(seed, column, group) for group in groups] for column in columns]
    assert words(seed, columns, groups).tolist() == expected


def test_bits_are_balanced_and_uncorrelated():
    w = words(3, np.arange(1024), np.arange(1024))
    bits = np.unpackbits(w.view(np.uint8)).reshape(-1, 64)
    n = len(bits)
    # Each bit's mean has standard error 0.5 / sqrt(n); 64 of them stay within 5.
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(n)
    for other in (w[1:, :], w[:, 1:]):
        same = np.unpackbits((w[: other.shape[0], : other.shape[1]] ^ other).view(np.uint8)).mean()
        assert abs(same - 0.5) < 5 * 0.5 / np.sqrt(64 * other.size)
