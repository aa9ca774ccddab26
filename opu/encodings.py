"""Encodings: real vectors -> binary frames with weights, x ~ scale * sum_k weights[k] (positive_k - negative_k)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from opu.errors import ConfigError, EncodingWarning, InputError
from opu.validation import choose


@dataclass(frozen=True)
class Encoded:
    """Planes of an encoded batch: x ~ scale[:, None] * sum_k weights[k] * (positive[:, k] - negative[:, k]).

    positive, negative: bool[n, n_planes, n_inputs]; weights: float64[n_planes]; scale: float64[n], 0 where x is 0.
    """

    positive: NDArray[np.bool_]
    negative: NDArray[np.bool_]
    weights: NDArray[np.float64]
    scale: NDArray[np.float64]

    def decoded(self) -> NDArray[np.float64]:
        """The vectors that the frames stand for, float64[n, n_inputs]."""
        signed = self.positive.astype(np.float64) - self.negative
        total: NDArray[np.float64] = np.einsum("k,nki->ni", self.weights, signed)
        return self.scale[:, None] * total


@runtime_checkable
class Encoding(Protocol):
    """Turns real rows into binary planes."""

    @property
    def kind(self) -> str:
        """Its name in configurations."""
        ...

    @property
    def n_planes(self) -> int:
        """Signed planes per row."""
        ...

    def check(self, x: NDArray[np.float64]) -> None:
        """InputError if x, finite float64[n, n_inputs], cannot be encoded."""
        ...

    def encode(self, x: NDArray[np.float64]) -> Encoded:
        """The planes of x, finite float64[n, n_inputs]."""
        ...


@dataclass(frozen=True)
class Binary:
    """x in {0, 1} is its own frame; exact. Raises InputError for any other value."""

    kind: ClassVar[str] = "binary"
    n_planes: ClassVar[int] = 1

    def check(self, x: NDArray[np.float64]) -> None:
        """Nothing but 0 and 1."""
        wrong = x[(x != 0.0) & (x != 1.0)]
        if wrong.size:
            raise InputError(
                f"the binary encoding takes 0 and 1 only, and {wrong.size} of {x.size} values are others (the first is "
                f'{wrong[0]:g}); use encoding "bitplanes" or "ternary" for real values'
            )

    def encode(self, x: NDArray[np.float64]) -> Encoded:
        """One plane, nothing negative, scale 1."""
        self.check(x)
        on = x[:, None, :] == 1.0
        return Encoded(on, np.zeros_like(on), np.ones(1), on.any(axis=(1, 2)).astype(np.float64))


@dataclass(frozen=True)
class Ternary:
    """sign(x) [|x| > threshold * max|x|] per row, with the row's Euclidean norm restored after the measurement.

    Two frames' worth of light per row. For the errors of an untrained softmax over C classes the threshold must exceed
    1/(C - 1), or nearly every input is on. Source: Launay et al., arXiv:2006.01475 (ternarised error, optical DFA).
    """

    kind: ClassVar[str] = "ternary"
    threshold: float = 0.3
    n_planes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """ConfigError for a threshold outside [0, 1)."""
        if (
            isinstance(self.threshold, bool)
            or not isinstance(self.threshold, int | float)
            or not 0 <= self.threshold < 1
        ):
            raise ConfigError(
                f"ternary threshold = {self.threshold!r}: must be a number from 0 up to, not including, 1"
            )

    def check(self, x: NDArray[np.float64]) -> None:
        """Any x will do."""

    def encode(self, x: NDArray[np.float64]) -> Encoded:
        """One signed plane; scale = |x| / sqrt(inputs on)."""
        peak = np.abs(x).max(axis=1, keepdims=True, initial=0.0)
        relative = x / np.where(peak > 0, peak, 1.0)
        positive, negative = relative > self.threshold, relative < -self.threshold
        n_on = positive.sum(axis=1) + negative.sum(axis=1)
        scale = peak[:, 0] * np.linalg.norm(relative, axis=1) / np.sqrt(np.maximum(n_on, 1))
        return Encoded(positive[:, None, :], negative[:, None, :], np.ones(1), scale)

    def warn_if_below_untrained_error(self, n_classes: int) -> None:
        """EncodingWarning if an untrained softmax over `n_classes` would switch nearly every input on."""
        if n_classes > 2 and self.threshold <= 1 / (n_classes - 1):
            warnings.warn(
                f"ternary threshold {self.threshold:g} is at or below 1/(classes - 1) = {1 / (n_classes - 1):.3f}, the "
                f"relative error an untrained softmax over {n_classes} classes makes on every wrong class: nearly all "
                "inputs will be on and drown the signal. Raise the threshold (0.3 works well)",
                EncodingWarning,
                stacklevel=2,
            )


@dataclass(frozen=True)
class BitPlanes:
    """Signed fixed point: |x| / max|x| rounded to `bits` bits per row, one plane per bit. Error <= max|x| / 2(2^bits - 1)."""

    kind: ClassVar[str] = "bitplanes"
    bits: int = 8

    def __post_init__(self) -> None:
        """ConfigError for other than 1 to 16 bits."""
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or not 1 <= self.bits <= 16:
            raise ConfigError(f"bitplanes bits = {self.bits!r}: must be an integer from 1 to 16")

    @property
    def n_planes(self) -> int:
        """One signed plane per bit."""
        return self.bits

    def check(self, x: NDArray[np.float64]) -> None:
        """Any x will do."""

    def encode(self, x: NDArray[np.float64]) -> Encoded:
        """Planes from least to most significant, weights 2^k / (2^bits - 1); scale = max|x|."""
        levels = 2**self.bits - 1
        peak = np.abs(x).max(axis=1, keepdims=True, initial=0.0)
        code = np.rint(np.abs(x) / np.where(peak > 0, peak, 1.0) * levels).astype(np.uint32)
        planes = ((code[:, None, :] >> np.arange(self.bits, dtype=np.uint32)[None, :, None]) & 1).astype(np.bool_)
        weights = 2.0 ** np.arange(self.bits) / levels
        return Encoded(planes & (x > 0)[:, None, :], planes & (x < 0)[:, None, :], weights, peak[:, 0])


ENCODINGS: dict[str, type[Any]] = {"binary": Binary, "ternary": Ternary, "bitplanes": BitPlanes}


def encoding_from(value: str | Mapping[str, Any] | Encoding, where: str = "encoding") -> Encoding:
    """An encoding from its name, a table such as {kind = "ternary", threshold = 0.3}, or itself; else ConfigError."""
    if isinstance(value, Encoding) and not isinstance(value, str | Mapping | type):
        return value
    chosen: Encoding = choose(value, ENCODINGS, where)  # type: ignore[arg-type]
    return chosen
