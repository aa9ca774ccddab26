"""The blended pass against the sum of the media's own passes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.sim.assembly import assemble
from opu.sim.blend import STEPS_PER_FLUSH, add_blended_fields
from opu.sim.kernels import COLUMNS_PER_STEP
from opu.sim.light import DenseLight
from opu.sim.settings import SimSettings

WEIGHTS = [0.7, -0.2, 0.5]


def media(n_inputs: int, n_outputs: int, **parameters) -> list[DenseLight]:
    table = {"n_inputs": n_inputs, "n_outputs": n_outputs, **parameters}
    return [DenseLight(assemble(SimSettings(seed=seed, **table)).scene) for seed in (1, 2, 3)]


def blended(lights: list[DenseLight], bits: np.ndarray, anchored: np.ndarray) -> np.ndarray:
    fields = np.zeros((len(bits), lights[0].scene.n_outputs), np.complex64)
    add_blended_fields(lights, WEIGHTS, np.packbits(bits, axis=1), anchored, 30.0, fields)
    return fields


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["ideal", "typical"]),
    st.sampled_from([0.0, 0.6]),
    st.integers(1, 60),
    st.integers(1, 300),
    st.integers(1, 20),
    st.integers(0, 99),
)
def test_fields_are_the_sum_of_the_medias_own(preset, share, n_inputs, n_outputs, n, seed):
    rng = np.random.default_rng(seed)
    lights = media(n_inputs, n_outputs, preset=preset, anchor_share=share)
    bits, anchored = rng.random((n, n_inputs)) < 0.5, (rng.random(n) < 0.5).astype(np.float32) * (share > 0)
    expected = np.zeros((n, n_outputs), np.complex64)
    for light, weight in zip(lights, WEIGHTS, strict=True):
        light.add_fields(np.packbits(bits, axis=1), anchored, 30.0 * weight, expected)
    # Rounding of float32 sums of under 100 terms, each of modulus up to some 30.
    assert np.abs(blended(lights, bits, anchored) - expected).max() < 1e-6 * 30 * np.sqrt(100)


@pytest.mark.parametrize("preset", ["ideal", "typical"])
def test_a_frames_field_does_not_depend_on_its_batch(preset):
    """Frames that use other columns, on both sides of a flush, in one batch and alone; outputs in shards."""
    n_inputs = 3 * STEPS_PER_FLUSH * COLUMNS_PER_STEP
    lights = media(n_inputs, 150, preset=preset)
    bits = np.random.default_rng(0).random((6, n_inputs)) < 0.5
    for k, row in enumerate(bits):
        row[(k * 500) % n_inputs : (k * 500 + 1400) % n_inputs] = False
    anchored = np.ones(6, np.float32)
    whole = blended(lights, bits, anchored)
    for k in range(6):
        assert np.array_equal(blended(lights, bits[k : k + 1], anchored[:1])[0], whole[k])
    part = media(n_inputs, 150, preset=preset, outputs=(8, 150))
    assert np.array_equal(blended(part, bits, anchored), whole[:, 8:])
