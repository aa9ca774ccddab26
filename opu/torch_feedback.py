"""Where opu.torch's random projection of the errors is computed: by light, or in memory. Needs the extra `torch`."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from opu.encodings import Encoding, Ternary, encoding_from
from opu.errors import InputError
from opu.processor import OPU
from opu.spread import spread

ERROR_FILL = 0.2
"""Fraction of its inputs that an error switches on in a typical frame, for an OPU that is not calibrated yet."""


@runtime_checkable
class Feedback(Protocol):
    """A projector that is told its shape before the first error. Any callable will do: (rows, n_errors) -> (rows, width)."""

    def fit(self, n_errors: int, width: int) -> None:
        """Called before every projection with the shape wanted; InputError if it cannot be had."""
        ...

    def __call__(self, error: Tensor) -> Tensor:
        """Errors (rows, n_errors) -> signals (rows, width)."""
        ...


class Optical:
    """An open OPU as a projector: its first `width` linear outputs; each error is shown on as many inputs as it can have."""

    def __init__(self, opu: OPU) -> None:
        self.opu = opu
        self._shape: tuple[int, int] | None = None

    def fit(self, n_errors: int, width: int) -> None:
        """InputError, before any light, if the OPU is too small; calibrates it if nobody has."""
        if self._shape == (n_errors, width):
            return
        if self.opu.n_inputs < n_errors:
            raise InputError(
                f"the model has {n_errors} logits and the OPU {self.opu.n_inputs} inputs: open it with n_inputs={n_errors} "
                "or more"
            )
        if self.opu.n_linear < width:
            raise InputError(
                f"the cuts are {width} wide together and the OPU projects to {self.opu.n_linear}: open it with "
                f"n_outputs={width} or more, or cut less"
            )
        if isinstance(self.opu.encoding, Ternary):
            self.opu.encoding.warn_if_below_untrained_error(n_errors)
        if self.opu.calibration is None:
            self.opu.calibrate(fill=ERROR_FILL)
        self._shape = n_errors, width

    def __call__(self, error: Tensor) -> Tensor:
        """One projection, cut to the width last asked for."""
        assert self._shape is not None
        shown, copies = spread(error, self.opu.n_inputs)
        result: Tensor = self.opu.linear_transform(shown)[:, : self._shape[1]] / sqrt(copies)
        return result


class Digital:
    """An i.i.d. N(0, 1) matrix in memory as a projector, a function of the seed and its shape alone. Nøkland 2016.

    encoding: what an OPU would show of the errors, as for opu.open; None: the errors as they are. So `Digital(encoding=...)`
    against `Digital()` is what an encoding costs, and an OPU against it what the light costs.
    """

    def __init__(self, seed: int = 0, encoding: str | Mapping[str, Any] | Encoding | None = None) -> None:
        self.seed = seed
        self.encoding = None if encoding is None else encoding_from(encoding)
        self._matrix = torch.empty(0, 0)

    def fit(self, n_errors: int, width: int) -> None:
        """Draw the matrix, unless it has this shape already."""
        if self._matrix.shape != (n_errors, width):
            generator = torch.Generator().manual_seed(self.seed)
            self._matrix = torch.randn(n_errors, width, generator=generator)

    def __call__(self, error: Tensor) -> Tensor:
        """Errors times matrix, on the errors' device."""
        if self._matrix.device != error.device:
            self._matrix = self._matrix.to(error.device)
        if self.encoding is not None:
            shown = self.encoding.encode(error.double().numpy(force=True)).decoded()
            error = torch.as_tensor(shown, dtype=torch.float32, device=error.device)
        return error @ self._matrix
