"""What a measurement of a transmission matrix will show, block by block; all of it follows from a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opu.device import DeviceSpec
from opu.errors import InputError
from opu.hadamard import order, patterns, signs
from opu.holography import Holography
from opu.phase_stepping import PhaseStepping
from opu.retrieval import Interferometry

INTERLEAVE = 32
"""Patterns in a block: the known pattern costs four shows for each block, an eighth of the time."""
N_CHECKS = 16
SCRAMBLE_STREAM, CHECK_STREAM = 0, 1
SHOWS_PER_BLOCK = 4


@dataclass(frozen=True)
class Plan:
    """A block shows: known pattern, check pattern, `interleave` Hadamard patterns, check pattern, known pattern.

    The known pattern, Hadamard's first, tells phase and brightness at both ends of every block, so blocks need not follow one
    another at once. Checks are other random patterns, 16 in turn, against which the finished matrix is held.
    n_inputs counts data inputs; n_rows: rows of the matrix; complex_rows: whether they are complex.
    """

    device: str
    fingerprint: str
    response: str
    n_inputs: int
    n_rows: int
    complex_rows: bool
    retrieval: str
    seed: int = 0
    interleave: int = INTERLEAVE

    @property
    def n_patterns(self) -> int:
        """N, the power of two that holds all inputs."""
        return order(self.n_inputs)

    @property
    def n_blocks(self) -> int:
        """Blocks of up to `interleave` patterns."""
        return -(-self.n_patterns // self.interleave)

    @property
    def n_linear(self) -> int:
        """Real numbers that a pattern gives."""
        return self.n_rows * (2 if self.complex_rows else 1)

    def numbers(self, block: int) -> NDArray[np.int64]:
        """Numbers of the patterns of a block."""
        first = block * self.interleave
        return np.arange(first, min(first + self.interleave, self.n_patterns), dtype=np.int64)

    def scramble(self) -> NDArray[np.bool_]:
        """Signs s of the inputs, bool[n_inputs]; they are the known pattern, too."""
        return signs(self.seed, SCRAMBLE_STREAM, self.n_inputs)

    def check(self, block: int) -> NDArray[np.bool_]:
        """The check pattern of a block, bool[n_inputs]."""
        return signs(self.seed, CHECK_STREAM + block % N_CHECKS, self.n_inputs)

    def shows(self, block: int) -> NDArray[np.bool_]:
        """Everything that a block shows, in order, True for +1: bool[patterns + 4, n_inputs]."""
        scramble, check = self.scramble()[None], self.check(block)[None]
        return np.concatenate([scramble, check, patterns(self.numbers(block), scramble[0]), check, scramble])


def make_plan(spec: DeviceSpec, probe: Interferometry, seed: int = 0, interleave: int = INTERLEAVE) -> Plan:
    """The plan for a device; InputError for a seed or an interleave out of range."""
    if not 1 <= interleave <= 2**16:
        raise InputError(f"interleave = {interleave}: the known pattern comes every 1 to 65536 patterns; 32 suits most")
    if not 0 <= seed < 2**64:
        raise InputError(f"seed = {seed}: it must lie in 0 to 2^64 - 1")
    two = is_complex(probe)
    return Plan(
        device=f"{spec.kind} {spec.model} {spec.serial}",
        fingerprint=spec.fingerprint,
        response=spec.response,
        n_inputs=spec.n_data_inputs,
        n_rows=probe.n_linear(spec) // (2 if two else 1),
        complex_rows=two,
        retrieval=probe.kind,
        seed=seed,
        interleave=min(interleave, order(spec.n_data_inputs)),
    )


def is_complex(probe: Interferometry) -> bool:
    """Whether it retrieves real and imaginary parts; an anchor and two phase steps give the real part alone."""
    return isinstance(probe, Holography) or (isinstance(probe, PhaseStepping) and probe.steps > 2)
