import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.sim import medium
from opu.sim.medium import PART_STD, DenseMedium, entries

from opu.errors import InputError


def complex_entries(seed, n_in, n_out):
    parts = entries(seed, np.arange(n_in), range(n_out)).astype(np.float64)
    return (parts[..., 0] + 1j * parts[..., 1]) / (PART_STD * np.sqrt(2))


def test_entries_are_circular_complex_gaussian():
    m = complex_entries(1, 1000, 2000)
    n = m.size
    # Standard errors of CN(0, 1) moments: mean 1/sqrt(n); |m|^2 has variance 1; m^2 has E|m^2|^2 = 2; |m|^4 has variance 20.
    assert abs(m.mean()) < 5 / np.sqrt(n)
    assert abs((np.abs(m) ** 2).mean() - 1) < 5 / np.sqrt(n)
    assert abs((m**2).mean()) < 5 * np.sqrt(2 / n)
    assert abs((np.abs(m) ** 4).mean() - 2) < 5 * np.sqrt(20 / n)


@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (4, 0), (0, 1), (1, 1), (0, 256), (256, 256)])
def test_neighbours_are_uncorrelated(rows, columns):
    m = complex_entries(2, 1024, 1024)
    a, b = m[: 1024 - columns, : 1024 - rows], m[columns:, rows:]
    assert abs(np.mean(a * b.conj())) < 5 / np.sqrt(a.size)
    assert abs(np.mean(a * b)) < 5 / np.sqrt(a.size)


def test_seeds_and_far_indices_are_uncorrelated():
    near = complex_entries(3, 512, 512)
    far = entries(3, np.arange(2**20 - 512, 2**20), range(2**20 - 512, 2**20)).astype(np.float64)
    far = (far[..., 0] + 1j * far[..., 1]) / (PART_STD * np.sqrt(2))
    for other in (complex_entries(4, 512, 512), far):
        assert abs(np.mean(near * other.conj())) < 5 / np.sqrt(near.size)
    assert abs((np.abs(far) ** 2).mean() - 1) < 5 / np.sqrt(far.size)


def test_singular_values_follow_the_quarter_circle():
    singular = np.sort(np.linalg.svd(complex_entries(5, 256, 256) / np.sqrt(256), compute_uv=False))
    s = np.clip(singular, 0, 2)
    law = (s * np.sqrt(4 - s**2) / 2 + 2 * np.arcsin(s / 2)) / np.pi
    empirical = (np.arange(256) + 0.5) / 256
    # Eigenvalue rigidity: deviations of order log(n)/n = 0.022, far under the 0.085 of independent samples.
    assert np.abs(law - empirical).max() < 0.022
    assert singular[-1] < 2.1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 9), st.integers(1, 30))
def test_any_output_range_is_a_slice_of_the_whole(seed, start, length):
    inputs = [0, 5, 77]
    whole = entries(seed, inputs, range(40))
    assert np.array_equal(entries(seed, inputs, range(start, start + length)), whole[:, start : start + length])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 70), st.integers(1, 6), st.data())
def test_fields_are_exact_for_any_tiling_and_batch(seed, n_in, n_out, n, data):
    frames = np.array(
        data.draw(st.lists(st.lists(st.booleans(), min_size=n_in, max_size=n_in), min_size=n, max_size=n))
    )
    weights = np.array(data.draw(st.lists(st.integers(0, 2**20), min_size=n_in, max_size=n_in)))
    expected = np.einsum("ni,ioc->noc", frames * weights, entries(seed, np.arange(n_in), range(n_out)).astype(np.int64))
    assert np.array_equal(DenseMedium(seed, n_in, n_out).fields(frames, weights), expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(medium, "TILE_INPUTS", 7)
        patch.setattr(medium, "TILE_OUTPUTS", 9)
        tiled = DenseMedium(seed, n_in, n_out)
        assert np.array_equal(tiled.fields(frames, weights), expected)
        for row in range(n):
            assert np.array_equal(tiled.fields(frames[row : row + 1], weights)[0], expected[row])


@pytest.mark.parametrize("sizes", [(0, 10), (10, 0), (2**32, 10), (10, 2**32)])
def test_sizes_out_of_range_are_refused(sizes):
    with pytest.raises(InputError, match="1 to 4294967295"):
        DenseMedium(0, *sizes)
