"""The swap: one train.toml, device = "sim" or device = "lab" (the same simulator, served), one training curve."""

import json

import pytest
from opu.sim.device import SimulatedDevice
from opu.sim.settings import SimSettings
from opu.training.session import train
from safetensors import safe_open

from opu.config import load_config

SIM = {"n_inputs": 10, "n_outputs": 64, "seed": 5, "preset": "typical"}


def timeless(epoch):
    """An epoch's record without what a clock of this computer measured."""
    return {key: value for key, value in epoch.items() if key != "seconds"}


@pytest.mark.slow
def test_training_through_the_appliance_is_training_in_process(serve, tmp_path):
    sim = SimulatedDevice(SimSettings.model_validate(SIM))
    path = tmp_path / "train.toml"
    path.write_text(
        'device = "bench"\n[devices.bench]\nkind = "sim"\n'
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in SIM.items())
        + f'[devices.lab]\nkind = "visa"\nresource = "{serve(sim).resources[0]}"\n'
        + '[train]\ndataset = "digits"\nepochs = 2\nhidden = [32, 32]\nmethod = "dfa"\n'
    )
    runs = []
    for name in ("bench", "lab"):
        train(load_config(path, name), {"out": tmp_path / name})
        (metrics,) = (tmp_path / name).glob("*/metrics.json")
        record = json.loads(metrics.read_text())
        runs.append((record["steps"], [timeless(epoch) for epoch in record["history"]], record["run"]["fingerprint"]))
        with safe_open(metrics.with_name("checkpoint.safetensors"), "numpy") as file:
            names = [name for name in file.keys() if name.startswith("network/")]  # noqa: SIM118
            runs[-1] += ({name: file.get_tensor(name).tobytes() for name in names},)
    assert len(runs[0][-1]) == 6
    assert runs[0] == runs[1]
