"""One file that continues a run exactly where an epoch ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from opu.arrays import Array, namespace, taken
from opu.errors import InputError
from opu.files import write_atomic

from .method import Method
from .network import Network
from .optimiser import Optimiser
from .record import EpochRecord

CHECKPOINT = "checkpoint.safetensors"
_FORMAT = "openopu-training-1"


@dataclass(frozen=True)
class Checkpoint:
    """A run after `epoch` epochs: settings as JSON values, one record per epoch, arrays by name."""

    path: Path
    epoch: int
    settings: Mapping[str, Any]
    history: tuple[EpochRecord, ...]
    arrays: Mapping[str, NDArray[Any]]

    def restore(self, network: Network, optimiser: Optimiser, method: Method | None = None) -> None:
        """Copy parameters and optimiser state in. Raises InputError, naming the file, when they do not fit."""
        try:
            network.load_state_dict(self._part("network/"))
            optimiser.load_state(self._part("optimiser/"))
            self._restore_method([] if method is None else method.parameters)
        except InputError as error:
            raise InputError(f"checkpoint {self.path}: {error}") from error

    def _restore_method(self, parameters: Sequence[Array]) -> None:
        stored = self._part("method/")
        shapes = {str(i): p.shape for i, p in enumerate(parameters)}
        if {name: a.shape for name, a in stored.items()} != shapes:
            raise InputError(
                f"the method's own arrays have shapes {[a.shape for a in stored.values()]}, {list(shapes.values())} are "
                "needed: the file was made with another method"
            )
        for i, own in enumerate(parameters):
            own[...] = namespace(own).asarray(stored[str(i)])

    def _part(self, prefix: str) -> dict[str, NDArray[Any]]:
        return {name.removeprefix(prefix): a for name, a in self.arrays.items() if name.startswith(prefix)}


def save_checkpoint(
    path: Path,
    network: Network,
    optimiser: Optimiser,
    settings: Mapping[str, Any],
    history: Sequence[EpochRecord],
    method: Method | None = None,
) -> None:
    """Write the run as one safetensors file, whole or not at all. `settings` are JSON values. Raises OSError."""
    arrays = {f"network/{name}": array for name, array in network.state_dict().items()}
    arrays |= {f"optimiser/{name}": array for name, array in optimiser.state().items()}
    arrays |= {f"method/{i}": array for i, array in enumerate([] if method is None else method.parameters)}
    metadata = {
        "format": _FORMAT,
        "epoch": str(len(history)),
        "settings": json.dumps(dict(settings)),
        "history": json.dumps([record.as_json() for record in history]),
    }
    # safetensors writes the raw buffer: a transposed view would come back scrambled
    write_atomic(path, save({name: np.ascontiguousarray(taken(a)) for name, a in arrays.items()}, metadata))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; a run folder stands for the checkpoint in it. Raises InputError, naming the file."""
    path = path / CHECKPOINT if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist: give a run folder or the {CHECKPOINT} in it")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"checkpoint {path} cannot be read ({error}): it is damaged or no checkpoint") from error
    if metadata.get("format") != _FORMAT:
        raise InputError(
            f"checkpoint {path} has format '{metadata.get('format')}', this version reads '{_FORMAT}': "
            "it is another kind of file or of another version"
        )
    try:
        history = tuple(EpochRecord.from_json(record) for record in json.loads(metadata["history"]))
        epoch, settings = int(metadata["epoch"]), json.loads(metadata["settings"])
    except (KeyError, ValueError, InputError) as error:
        raise InputError(f"checkpoint {path} has unreadable metadata ({error}): it is damaged") from error
    if epoch != len(history):
        raise InputError(f"checkpoint {path} says epoch {epoch} but holds {len(history)} records: it is damaged")
    return Checkpoint(path, epoch, settings, history, arrays)
