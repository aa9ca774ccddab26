"""Encodings: real vectors -> binary frames with weights, x ~ scale * sum_k weights[k] (positive_k - negative_k)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from array_api_compat import device as device_of

from opu.arrays import Array, namespace
from opu.errors import ConfigError, EncodingWarning, InputError
from opu.validation import choose


@dataclass(frozen=True)
class Encoded:
    """Planes of an encoded batch: x ~ scale[:, None] * sum_k weights[k] * (positive[:, k] - negative[:, k]).

    positive, negative: bool[n, n_planes, n_inputs]; weights: float64[n_planes]; scale: float64[n], 0 where x is 0; all of
    x's kind and on its device.
    """

    positive: Array
    negative: Array
    weights: Array
    scale: Array

    def decoded(self) -> Array:
        """The vectors that the frames stand for, float64[n, n_inputs]."""
        xp = namespace(self.positive)
        signed = xp.astype(self.positive, xp.float64) - xp.astype(self.negative, xp.float64)
        return self.scale[:, None] * xp.sum(self.weights[None, :, None] * signed, axis=1)


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

    def check(self, x: Array) -> None:
        """InputError if x, finite float64[n, n_inputs], cannot be encoded."""
        ...

    def encode(self, x: Array) -> Encoded:
        """The planes of x, finite float64[n, n_inputs]."""
        ...


@dataclass(frozen=True)
class Binary:
    """x in {0, 1} is its own frame; exact. Raises InputError for any other value."""

    kind: ClassVar[str] = "binary"
    n_planes: ClassVar[int] = 1

    def check(self, x: Array) -> None:
        """Nothing but 0 and 1."""
        wrong = x[(x != 0.0) & (x != 1.0)]
        if wrong.shape[0]:
            raise InputError(
                f"the binary encoding takes 0 and 1 only, and {wrong.shape[0]} of {x.size} values are others (the first is "
                f'{float(wrong[0]):g}); use encoding "bitplanes" or "ternary" for real values'
            )

    def encode(self, x: Array) -> Encoded:
        """One plane, nothing negative, scale 1."""
        self.check(x)
        xp = namespace(x)
        on = x[:, None, :] == 1.0
        scale = xp.astype(xp.any(on, axis=(1, 2)), xp.float64)
        return Encoded(on, xp.zeros_like(on), xp.ones(1, dtype=xp.float64, device=device_of(x)), scale)


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

    def check(self, x: Array) -> None:
        """Any x will do."""

    def encode(self, x: Array) -> Encoded:
        """One signed plane; scale = |x| / sqrt(inputs on)."""
        xp = namespace(x)
        peak = xp.max(xp.abs(x), axis=1, keepdims=True)
        relative = x / xp.where(peak > 0, peak, 1.0)
        positive, negative = relative > self.threshold, relative < -self.threshold
        n_on = xp.astype(xp.count_nonzero(positive | negative, axis=1), xp.float64)
        norm = xp.sqrt(xp.sum(relative * relative, axis=1))
        scale = peak[:, 0] * norm / xp.sqrt(xp.maximum(n_on, 1.0))
        one = xp.ones(1, dtype=xp.float64, device=device_of(x))
        return Encoded(positive[:, None, :], negative[:, None, :], one, scale)

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

    def check(self, x: Array) -> None:
        """Any x will do."""

    def encode(self, x: Array) -> Encoded:
        """Planes from least to most significant, weights 2^k / (2^bits - 1); scale = max|x|."""
        xp, where = namespace(x), device_of(x)
        levels = 2**self.bits - 1
        size = xp.abs(x)
        peak = xp.max(size, axis=1, keepdims=True)
        code = xp.astype(xp.round(size / xp.where(peak > 0, peak, 1.0) * levels), xp.uint32)
        bit = xp.arange(self.bits, dtype=xp.uint32, device=where)
        planes = xp.astype((code[:, None, :] >> bit[None, :, None]) & 1, xp.bool)
        weights = xp.asarray([2**k / levels for k in range(self.bits)], dtype=xp.float64, device=where)
        return Encoded(planes & (x > 0)[:, None, :], planes & (x < 0)[:, None, :], weights, peak[:, 0])


@dataclass(frozen=True)
class Stochastic:
    """Ternary planes by stochastic rounding: input i is on with probability |x_i| / max|x|, so that rows average to themselves.

    Each plane is a systematic sample (Madow 1944) of the row: about sum|x| / max|x| inputs are on, and never one too few or
    too many. Of a softmax's error that is the true class and one wrong class, drawn from the model's own prediction. `planes`
    samples are taken evenly apart and averaged; decoded values are within 1/planes of |x_i| / max|x|. The sample is a function
    of the row alone: the same row gives the same frames, in any batch and on any machine. Source: ternary gradients, Wen et
    al. 2017 (arXiv:1705.07878).
    """

    kind: ClassVar[str] = "stochastic"
    planes: int = 1

    def __post_init__(self) -> None:
        """ConfigError for other than 1 to 64 planes."""
        if isinstance(self.planes, bool) or not isinstance(self.planes, int) or not 1 <= self.planes <= 64:
            raise ConfigError(f"stochastic planes = {self.planes!r}: must be an integer from 1 to 64")

    @property
    def n_planes(self) -> int:
        """As many signed planes."""
        return self.planes

    def check(self, x: Array) -> None:
        """Any x will do."""

    def encode(self, x: Array) -> Encoded:
        """On where the running sum of |x| / max|x|, plus the row's offset, passes an integer; scale = max|x|."""
        xp, where = namespace(x), device_of(x)
        size = xp.abs(x)
        peak = xp.max(size, axis=1, keepdims=True)
        # In integers: sums are then the same in any order and library.
        share = xp.astype(xp.round(size / xp.where(peak > 0, peak, 1.0) * ONE), xp.int64)
        step = xp.asarray([ONE * k // self.planes for k in range(self.planes)], dtype=xp.int64, device=where)
        offset = ((_mixed(share)[:, None] + step[None, :]) % ONE)[:, :, None]
        passed = (xp.cumulative_sum(share, axis=1)[:, None, :] + offset) >> ONE_BITS
        on = passed > xp.concat([xp.zeros_like(offset), passed[:, :, :-1]], axis=2)
        weights = xp.asarray([1 / self.planes] * self.planes, dtype=xp.float64, device=where)
        return Encoded(on & (x > 0)[:, None, :], on & (x < 0)[:, None, :], weights, peak[:, 0])


ONE_BITS = 24
ONE = 2**ONE_BITS
"""The integer that stands for 1 in `Stochastic`; rounding to it moves a probability by 3e-8 at most."""


def _mixed(rows: Array) -> Array:
    """int64[n, n_inputs] -> int64[n] in 0..ONE-1, equal for equal rows and otherwise as good as random."""
    xp, where = namespace(rows), device_of(rows)

    def word(value: int) -> Array:
        return xp.asarray([value], dtype=xp.uint64, device=where)

    # A multiplier for each place, then the finaliser of SplitMix64 (Steele et al. 2014); sums and products are modulo 2^64.
    places = xp.arange(1, rows.shape[1] + 1, dtype=xp.uint64, device=where) * word(0x9E3779B97F4A7C15) | word(1)
    hashed = xp.sum(xp.astype(rows, xp.uint64) * places[None, :], axis=1, dtype=xp.uint64)
    hashed = (hashed ^ (hashed >> word(30))) * word(0xBF58476D1CE4E5B9)
    hashed = (hashed ^ (hashed >> word(27))) * word(0x94D049BB133111EB)
    return xp.astype(hashed >> word(40), xp.int64)


ENCODINGS: dict[str, type[Any]] = {
    "binary": Binary,
    "ternary": Ternary,
    "bitplanes": BitPlanes,
    "stochastic": Stochastic,
}


def encoding_from(value: str | Mapping[str, Any] | Encoding, where: str = "encoding") -> Encoding:
    """An encoding from its name, a table such as {kind = "ternary", threshold = 0.3}, or itself; else ConfigError."""
    if isinstance(value, Encoding) and not isinstance(value, str | Mapping | type):
        return value
    chosen: Encoding = choose(value, ENCODINGS, where)  # type: ignore[arg-type]
    return chosen
