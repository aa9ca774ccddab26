from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from opu.training.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from opu.training.dni import SyntheticGradients
from opu.training.method import trainable
from opu.training.network import Network
from opu.training.optimiser import SGD, Adam
from safetensors.numpy import save

from opu.errors import InputError

from .test_record import RECORD


def trained(seed: int = 0, sizes: tuple[int, ...] = (5, 4, 3)) -> tuple[Network, Adam]:
    network = Network(sizes, np.random.default_rng(seed))
    adam = Adam(network.parameters)
    adam.step([np.ones_like(p) * 0.1 for p in network.parameters], 0.01)
    return network, adam


def test_checkpoints_restore_everything_exactly(tmp_path: Path) -> None:
    network, adam = trained()
    save_checkpoint(tmp_path / CHECKPOINT, network, adam, {"seed": 3}, [RECORD])
    checkpoint = load_checkpoint(tmp_path)  # the folder stands for the file
    assert (checkpoint.epoch, checkpoint.settings, checkpoint.history) == (1, {"seed": 3}, (RECORD,))
    other, other_adam = trained(seed=8)
    checkpoint.restore(other, other_adam)
    assert all(np.array_equal(a, b) for a, b in zip(network.parameters, other.parameters, strict=True))
    for name, array in adam.state().items():
        np.testing.assert_array_equal(other_adam.state()[name], array)


def test_a_methods_own_arrays_are_kept_and_another_method_is_refused(tmp_path: Path) -> None:
    network, _ = trained()
    method = SyntheticGradients(network)
    method.parameters[0] += 0.5
    adam = Adam(trainable(network, method))
    save_checkpoint(tmp_path / CHECKPOINT, network, adam, {}, [RECORD], method)
    checkpoint = load_checkpoint(tmp_path)
    other = SyntheticGradients(network)
    checkpoint.restore(network, Adam(trainable(network, other)), other)
    assert all(np.array_equal(a, b) for a, b in zip(method.parameters, other.parameters, strict=True))
    with pytest.raises(InputError, match=r"the method's own arrays have shapes .*made with another method"):
        checkpoint.restore(network, Adam(network.parameters))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / CHECKPOINT
    network, adam = trained()
    save_checkpoint(path, network, adam, {}, [RECORD])
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, *trained(seed=5), {}, [RECORD, RECORD])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_another_network_or_optimiser_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, *trained(), {}, [RECORD])
    checkpoint = load_checkpoint(path)
    with pytest.raises(InputError, match=r"c\.safetensors: parameter 'weight.0' has shape \(5, 4\)"):
        checkpoint.restore(*trained(sizes=(5, 6, 3)))
    network, _ = trained()
    with pytest.raises(InputError, match=r"SGD state 'velocity\.0'"):
        checkpoint.restore(network, SGD(network.parameters))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"rubbish", "cannot be read"),
        (save({"a": np.zeros(2)}), "has format 'None'"),
        (save({"a": np.zeros(2)}, {"format": "openopu-training-1"}), "unreadable metadata"),
        (
            save({"a": np.zeros(2)}, {"format": "openopu-training-1", "epoch": "2", "settings": "{}", "history": "[]"}),
            "says epoch 2 but holds 0",
        ),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"bad\.safetensors.*{message}"):
        load_checkpoint(path)


def test_missing_and_truncated_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_checkpoint(tmp_path)
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, *trained(), {}, [RECORD])
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(path)
