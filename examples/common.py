"""What the examples share: their options, the feedback these choose, a progress bar and the result line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from opu.config import load_config
from opu.errors import InputError, OPUError
from opu.factory import open_parameters, open_profile
from opu.processor import OPU
from opu.torch import DFA, Digital, sizes

FEEDBACK = {
    "backprop": "gradients through the whole network",
    "digital": "direct feedback alignment through a matrix in memory",
    "encoded": "the same, of what an OPU would show of the errors",
    "optical": "through the device",
    "shallow": "only what lies above the last cut learns",
}


def options(text: str, chosen: str = "optical") -> argparse.ArgumentParser:
    """The options of every example; `text` is its docstring."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    how = "; ".join(f"{name}: {meaning}" for name, meaning in FEEDBACK.items())
    parser.add_argument("--feedback", choices=FEEDBACK, default=chosen, help=f"{how} (default: {chosen})")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file with device profiles, as for `opu train`"
    )
    parser.add_argument("--device", metavar="PROFILE", help="profile of the file, or a kind of device (default: sim)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one key, such as preset=harsh"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and the simulated medium (default: 0)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; these networks are small (default: 1)")
    parser.add_argument(
        "--quick", action="store_true", help="seconds instead of minutes: shows that it runs, reaches little"
    )
    return parser


def arguments(parser: argparse.ArgumentParser, given: Sequence[str] | None = None) -> argparse.Namespace:
    """Parsed, of the command line unless given, and PyTorch seeded."""
    args = parser.parse_args(given)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    return args


@dataclass
class Learning:
    """A model under the feedback chosen; `opu` where that is a device, `dfa` where blocks learn by a projection."""

    name: str
    opu: OPU | None = None
    dfa: DFA | None = None

    def device_use(self) -> dict[str, Any]:
        """Frames and seconds of the device, calibration included; nothing without one."""
        if self.opu is None:
            return {}
        status = self.opu.status()
        return {"frames": status.frames_shown, "device_seconds": round(status.device_seconds, 1)}


@contextmanager
def learning(
    args: argparse.Namespace,
    model: nn.Module,
    cuts: Sequence[nn.Module],
    example: Tensor,
    encoding: dict[str, Any],
    retrieval: str = "anchor2",
    **dfa: Any,
) -> Iterator[Learning]:
    """Cut the model as `args` say; a device is as large as the cuts need, and shows errors so unless its profile says how."""
    with ExitStack() as stack:
        result = Learning(args.feedback)
        if args.feedback == "optical":
            config = load_config(args.config, args.device, args.set)
            n_inputs, n_outputs = sizes(model, cuts, example)
            wanted = {"n_inputs": n_inputs, "n_outputs": n_outputs, "seed": args.seed}
            own = config.profile()
            result.opu = open_profile(
                config,
                open_parameters(config, wanted),
                None if "encoding" in own else encoding,
                None if "retrieval" in own else retrieval,
            )
            stack.enter_context(result.opu)
            result.dfa = stack.enter_context(DFA(model, cuts, opu=result.opu, **dfa))
        elif args.feedback == "shallow":
            _freeze_below(model, cuts, example)
        elif args.feedback != "backprop":
            projector = Digital(args.seed, encoding if args.feedback == "encoded" else None)
            result.dfa = stack.enter_context(DFA(model, cuts, projector=projector, **dfa))
        yield result


def _freeze_below(model: nn.Module, cuts: Sequence[nn.Module], example: Tensor) -> None:
    """No gradient for any parameter that a signal of zeros leaves without one."""
    width = sizes(model, cuts, example)[1]
    with DFA(model, cuts, projector=lambda error: error.new_zeros(len(error), width)):
        logits = model(example)
        (logits * torch.randn_like(logits)).sum().backward()
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.grad is not None and bool(parameter.grad.any()))
    model.zero_grad()


def data_file(given: Path | None, name: str) -> Path:
    """The file given, or `name` in the folder that OPU_DATA names."""
    path = given or Path(os.environ.get("OPU_DATA", ".")) / name
    if not path.is_file():
        raise InputError(f"no file {path}: say where it is, --data FILE, or set OPU_DATA to a folder that has {name}")
    return path


def progress(steps: Iterable[int], text: str) -> Iterable[int]:
    """The steps, with a bar on a terminal."""
    console = Console(stderr=True)
    return track(steps, text, console=console, transient=True, disable=not console.is_terminal)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of rows whose largest logit is the label's, in percent."""
    return 100 * (logits.argmax(dim=1) == labels).float().mean().item()


def report(**values: Any) -> None:
    """The result line: one JSON object, the last line of standard output."""
    print(json.dumps(values))


def run(main: Any) -> None:
    """Errors of this package as one line, not a traceback."""
    try:
        main()
    except OPUError as error:
        sys.exit(f"error: {error}")
