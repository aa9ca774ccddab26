"""What a twin is for: training on it says beforehand what training on the original will give."""

import numpy as np
import pytest
from opu.training.session import train

from opu.characterization.characterize import characterize
from opu.characterization.twin import twin
from opu.config import Config, load_config
from opu.factory import build_profile

HIDDEN, EPOCHS, N_SEEDS = "128,128", 4, 3


def accuracies(config_of_seed, out):
    options = {"method": "dfa", "feedback": "optical", "dataset": "digits", "hidden": HIDDEN, "epochs": EPOCHS}
    found = [
        train(config_of_seed(seed), {**options, "seed": seed, "out": out})["test_accuracy"] for seed in range(N_SEEDS)
    ]
    return np.array(found)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::opu.errors.OPUWarning")  # drift is told while it spoils the training
def test_a_drifting_device_trains_as_badly_as_its_twin(tmp_path):
    """The medium forgets itself within some 60 steps, which costs accuracy; the twin knows it from measurement alone.

    Means of three seeds, whose scatter is taken from the runs themselves and held to be at least 2 %.
    """
    profile = {"kind": "sim", "n_inputs": 10, "n_outputs": 256, "seed": 50, "speckle": {"drift_time_s": 1.0}}
    original = Config(device="lab", devices={"lab": profile})
    with build_profile(original) as opu:
        figures = characterize(opu, quick=True).as_json()
    path = tmp_path / "twin.toml"
    path.write_text(twin(figures, "twin"))
    still = Config(device="lab", devices={"lab": {**profile, "speckle": {}}})
    # Other seeds on either side: the twin does not know the medium, only its laws.
    real = accuracies(lambda seed: Config(device="lab", devices={"lab": {**profile, "seed": 50 + seed}}), tmp_path)
    predicted = accuracies(lambda seed: load_config(path, overrides=[f"seed={90 + seed}"]), tmp_path)
    undisturbed = accuracies(lambda seed: still, tmp_path)
    error = np.sqrt((max(real.std(ddof=1), 0.02) ** 2 + max(predicted.std(ddof=1), 0.02) ** 2) / N_SEEDS)
    assert abs(real.mean() - predicted.mean()) < 3 * error
    assert undisturbed.mean() - real.mean() > 3 * error
