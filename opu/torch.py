"""PyTorch: train an unmodified nn.Module by direct feedback alignment, and use an OPU as a layer. Needs the extra `torch`.

dfa = opu.torch.DFA(model, cuts=[model.first, model.second], opu=o)     # the one line
loss = cross_entropy(model(x), y)
loss.backward()                                                         # and everything else as before
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any, Literal, Self

try:
    import torch
except ImportError as error:
    raise ImportError(f"opu.torch needs PyTorch ({error}): pip install 'openopu[torch]'") from None
from torch import Tensor, nn

from opu.errors import InputError
from opu.processor import OPU
from opu.torch_feedback import Digital, Feedback, Optical
from opu.torch_outputs import logits_of, width_of, with_logits

__all__ = ["DFA", "Digital", "OPUMap", "Projector", "sizes"]

Projector = Callable[[Tensor], Tensor]
"""Errors (rows, n_errors) -> signals (rows, width of all cuts together), a fixed random projection."""


class DFA:
    """Below every cut, a block learns from its slice of one random projection of the error at the model's output.

    Nøkland 2016; on blocks of modern networks, Launay et al. 2020 (arXiv:2006.12878). model: any module that makes logits
    (rows..., n_errors). cuts: modules of it (or their names); autograd stays exact within a block and above the last cut,
    and no gradient passes a cut. A module that runs several times is cut each time, with a slice for each. opu: an open OPU
    of at least n_errors inputs and as many linear outputs as the cuts are wide, calibrated at its first use if it is not;
    or `projector`: any callable, such as Digital(seed). Each slice is divided by the root of its width.

    output: picks the logits out of what the model returns (default: itself, its `logits`, or its first item). logits: the
    module (or its name) that makes them, where the model returns something else, its loss for one. error_transform: applied
    to the error (rows, n_errors) before it is shown, such as a graph's normalised adjacency.
    The hooks stay until close(), or the end of `with`; `enabled = False` gives plain backpropagation. Under no_grad nothing
    is cut. A row of errors that is not finite is not shown: its signals are NaN, as a gradient scaler expects. Raises
    InputError for cuts that are not in the model, on the first forward pass for widths that do not fit, and for a second
    derivative: light has none.
    """

    def __init__(
        self,
        model: nn.Module,
        cuts: Iterable[nn.Module | str],
        opu: OPU | None = None,
        *,
        projector: Projector | None = None,
        output: Callable[[Any], Tensor] | None = None,
        logits: nn.Module | str | None = None,
        error_transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        if (opu is None) == (projector is None):
            raise InputError("DFA takes an OPU or a projector, and exactly one of them: DFA(model, cuts, opu=o)")
        self.cuts = [_module(model, cut, "cut") for cut in cuts]
        if not self.cuts:
            raise InputError("DFA needs at least one cut: the modules whose output ends a block")
        if len({id(cut) for cut in self.cuts}) < len(self.cuts):
            raise InputError("a module is cut twice; list each cut once")
        maker = model if logits is None else _module(model, logits, "logits module")
        if maker in self.cuts:
            raise InputError("the logits' own module is cut: nothing would learn from the error itself")
        for module in (model, *self.cuts):
            if any(_is_open(hook) for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())):
                raise InputError("the model is under another DFA already: close() that one first")
        self.opu = opu
        self.enabled = True
        self._project: Projector = projector if opu is None else Optical(opu)  # type: ignore[assignment]
        self._output, self._error_transform = output, error_transform
        self._points: list[Tensor] = []
        self._inside = False
        self._handles = [
            model.register_forward_pre_hook(self._begin),
            *(cut.register_forward_hook(self._cut) for cut in self.cuts),
            maker.register_forward_hook(self._deliver),
            model.register_forward_hook(self._end, always_call=True),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy of the model (an average of its weights, say) keeps this DFA: there is one device."""
        return self

    def close(self) -> None:
        """Take the hooks off: the model trains by backpropagation again. The OPU stays open. Idempotent."""
        self.enabled = False
        for handle in self._handles:
            handle.remove()
        self._handles = []

    @torch.compiler.disable
    def _begin(self, *_: Any) -> None:
        self._points = []
        self._inside = self.enabled and torch.is_grad_enabled()

    @torch.compiler.disable
    def _cut(self, module: nn.Module, args: Any, out: Any) -> Any:  # noqa: ARG002
        if not self._inside:
            return None
        if not torch.is_grad_enabled() and any(parameter.requires_grad for parameter in module.parameters()):
            raise InputError(
                f"the cut {type(module).__name__} runs without gradients inside a model that has them: checkpoint it by "
                "torch.utils.checkpoint(..., use_reentrant=False), or freeze what no_grad leaves out"
            )
        if isinstance(out, Tensor):
            return self._detached(out)
        if type(out) in (tuple, list):
            return type(out)(self._detached(part) if isinstance(part, Tensor) else part for part in out)
        raise InputError(
            f"the cut {type(module).__name__} returns a {type(out).__name__}; cut modules that return a tensor or a tuple"
        )

    def _detached(self, out: Tensor) -> Tensor:
        if not out.is_floating_point():
            return out
        if out.requires_grad:
            self._points.append(out)
        return out.detach()

    @torch.compiler.disable
    def _deliver(self, module: nn.Module, args: Any, out: Any) -> Any:  # noqa: ARG002
        if not self._inside:
            return None
        self._inside = False
        points, self._points = self._points, []
        if not points:
            return None
        logits = logits_of(out) if self._output is None else self._output(out)
        widths = [width_of(point, logits) for point in points]
        if isinstance(self._project, Feedback):
            self._project.fit(logits.shape[-1], sum(widths))
        return with_logits(out, logits, _Deliver.apply(logits, self, widths, *points))

    @torch.compiler.disable
    def _end(self, module: nn.Module, args: Any, out: Any) -> None:  # noqa: ARG002
        """After the model, whether it returned or raised."""
        unused = self._inside and bool(self._points) and out is not None
        self._points, self._inside = [], False
        if unused:
            raise InputError(
                "the forward pass never reached the module named by `logits`: its blocks would learn nothing"
            )

    def slices(self, gradient: Tensor, widths: list[int]) -> list[Tensor]:
        """The gradient at the logits -> one (rows, width) float32 signal a cut, by one projection."""
        rows = gradient.reshape(-1, gradient.shape[-1]).float()
        # A mean over rows divides each row's error by their number: undone, so that errors are of order one, then restored.
        n, width = len(rows), sum(widths)
        error = rows * n
        if self._error_transform is not None:
            error = self._error_transform(error)
        finite = error.isfinite().all(dim=1, keepdim=True)
        shown = error if finite.all() else error.where(finite, 0.0)
        if isinstance(self._project, Feedback):
            self._project.fit(error.shape[1], width)
        signal = self._project(shown) if n else error.new_zeros(0, width)
        if signal.shape != (n, width):
            raise InputError(
                f"the projector returned {tuple(signal.shape)} for {n} errors, and the cuts need {(n, width)}"
            )
        signal = (signal.to(gradient.device, torch.float32) / max(n, 1)).where(finite, torch.nan)
        return [part / sqrt(part.shape[1]) for part in torch.split(signal, widths, dim=1)]


def sizes(model: nn.Module, cuts: Iterable[nn.Module | str], *example: Any, **options: Any) -> tuple[int, int]:
    """The n_inputs and n_outputs that DFA(model, cuts, ..., **options) asks of an OPU: o = opu.open(..., n_outputs=...).

    The model runs once, on the example, in its eval mode. InputError as for DFA, or where nothing at a cut can learn.
    """
    modes = {module: module.training for module in model.modules()}
    shape = _Shape()
    try:
        with DFA(model, cuts, projector=shape, **options), torch.enable_grad():
            model.eval()(*example)
    finally:
        for module, mode in modes.items():
            module.training = mode
    if shape.found is None:
        raise InputError("nothing below the cuts has a parameter that requires a gradient: there is nothing to project")
    return shape.found


class _Shape:
    """A projector that only remembers what it was asked for."""

    found: tuple[int, int] | None = None

    def fit(self, n_errors: int, width: int) -> None:
        self.found = n_errors, width

    def __call__(self, error: Tensor) -> Tensor:
        raise NotImplementedError


class _Deliver(torch.autograd.Function):
    """Logits pass; in the one ordinary backward pass each cut point receives its slice as its gradient."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, dfa: DFA, widths: list[int], *points: Tensor) -> Tensor:
        ctx.dfa, ctx.widths = dfa, widths
        ctx.likes = [(point.shape, point.dtype, point.device) for point in points]
        return logits.clone()  # a view of them could not be changed in place, as a plain model's logits can

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        if torch.is_grad_enabled():
            raise InputError(
                "backward(create_graph=True) through a DFA: light has no second derivative; set dfa.enabled = False, or take "
                "the penalty from a forward pass without it"
            )
        slices = ctx.dfa.slices(gradient, ctx.widths)
        signals = [
            part.reshape(shape).to(device, dtype)
            for part, (shape, dtype, device) in zip(slices, ctx.likes, strict=True)
        ]
        return gradient, None, None, *signals


class OPUMap(nn.Module):
    """An OPU as a layer without parameters: y = B x ("linear"), or camera(|A x|^2) of a binary x ("intensity"), as float32.

    Shape (..., n_inputs) -> (..., n_linear) or (..., n_outputs). No gradient passes it: nobody knows the medium's transpose.
    """

    def __init__(self, opu: OPU, mode: Literal["linear", "intensity"] = "linear") -> None:
        super().__init__()
        if mode not in ("linear", "intensity"):
            raise InputError(f"OPUMap mode = {mode!r}: choose 'linear' or 'intensity'")
        self.opu, self.mode = opu, mode

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """One projection of every row of x."""
        rows = x.reshape(-1, x.shape[-1])
        y = self.opu.linear_transform(rows) if self.mode == "linear" else self.opu.transform(rows)
        result: Tensor = y.to(torch.float32).reshape(*x.shape[:-1], y.shape[-1])
        return result

    def extra_repr(self) -> str:
        """Sizes and mode."""
        return (
            f"{self.opu.n_inputs} -> {self.opu.n_linear if self.mode == 'linear' else self.opu.n_outputs}, {self.mode}"
        )


def _is_open(hook: Any) -> bool:
    owner = getattr(hook, "__self__", None)
    return isinstance(owner, DFA) and bool(owner._handles)


def _module(model: nn.Module, chosen: nn.Module | str, role: str) -> nn.Module:
    named = dict(model.named_modules())
    module = named.get(chosen) if isinstance(chosen, str) else chosen
    if module is None or module is model or module not in named.values():
        names = ", ".join(name for name in named if name) or "none"
        raise InputError(f"{role} {chosen!r} is not a module inside the model; its modules are: {names}")
    return module
