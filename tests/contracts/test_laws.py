"""Every device in this repository keeps every law of opu.testing."""

from collections.abc import Callable

import numpy as np
import pytest
from opu.sim.device import SimulatedDevice
from opu.sim.settings import SimSettings

from opu.testing import LAWS, ReferenceDevice, Subject

N_INPUTS, N_OUTPUTS = 20, 160


def reference() -> Subject:
    rng = np.random.default_rng(5)
    shape = (N_OUTPUTS, N_INPUTS + 1)
    matrix = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return Subject(
        make=lambda: ReferenceDevice(matrix, anchor_input=3),
        repeatable=True,
        intensities=np.abs(matrix) ** 2,
        similarity=0.99,
    )


def entry(seed: int, output: int, column: int) -> complex:
    """One entry of the simulator's medium, in plain Python from the published recipe: nothing shared with opu.sim."""
    mask = 2**64 - 1
    gamma, m1, m2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

    def mix(z: int) -> int:
        z = ((z ^ (z >> 30)) * m1) & mask
        z = ((z ^ (z >> 27)) * m2) & mask
        return z ^ (z >> 31)

    k0 = mix((seed + gamma) & mask)
    k1 = mix((k0 + gamma) & mask)
    z = (k0 + ((column << 32) | (output >> 2)) * gamma) & mask
    z = ((z ^ (z >> 30)) * m1) & mask
    z ^= k1
    z = ((z ^ (z >> 27)) * m2) & mask
    word = z ^ (z >> 31)

    def part(k: int) -> int:
        byte = (word >> (8 * k)) & 255
        t = 2 * (byte - 256 if byte > 127 else byte) + 1
        return round(t * (1043 / 2**12 + t * t * (-258 / 2**26 + t * t * 228 / 2**41)))

    return complex(part(2 * (output & 3)), part(2 * (output & 3) + 1))


def simulator(preset: str, similarity: float, **parameters: object) -> Callable[[], Subject]:
    def make_subject() -> Subject:
        settings = SimSettings.model_validate(
            {"n_inputs": N_INPUTS, "n_outputs": N_OUTPUTS, "preset": preset, "seed": 11, **parameters}
        )
        columns = N_INPUTS + (settings.anchor_share > 0)
        a = np.array([[entry(11, i, j) for j in range(columns)] for i in range(N_OUTPUTS)])
        intensities = np.abs(a) ** 2
        # The orientation law compares readings per input; the anchor is far brighter, so leave it out.
        return Subject(
            make=lambda: SimulatedDevice(settings),
            repeatable=True,
            intensities=intensities if settings.anchor_share == 0 and settings.medium == "dense" else None,
            similarity=similarity,
        )

    return make_subject


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "reference": reference,
    "sim ideal": simulator("ideal", 0.99),
    "sim typical": simulator("typical", 0.95),
    "sim harsh": simulator("harsh", 0.85),
    "sim ideal without anchor": simulator("ideal", 0.99, anchor_share=0.0),
    "sim typical without anchor": simulator("typical", 0.9, anchor_share=0.0),
    "sim structured": simulator("typical", 0.95, medium="structured"),
    "sim structured ideal without anchor": simulator("ideal", 0.99, medium="structured", anchor_share=0.0),
    "sim a shard": simulator("typical", 0.95, outputs=(40, 121)),
    "sim 12 bits": simulator("typical", 0.95, camera={"bit_depth": 12}),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS.keys())
def test_device_keeps_law(subject, law):
    law(subject())
