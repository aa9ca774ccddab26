from __future__ import annotations

import numpy as np
from opu.training.data import Dataset
from opu.training.method import Cost
from opu.training.network import Network
from opu.training.optimiser import Adam
from opu.training.shallow import Shallow
from opu.training.trainer import Plan, fit


def test_hidden_layers_stay_bit_for_bit_and_the_last_learns(blobs: Dataset) -> None:
    network = Network((5, 8, 6, 3), np.random.default_rng(0))
    before = [p.copy() for p in network.parameters]
    records = fit(network, Shallow(), Adam(network.parameters), blobs, Plan(2, 16, 0, 1e-2))
    same = [np.array_equal(a, b) for a, b in zip(before, network.parameters, strict=True)]
    assert same == [True, True, True, True, False, False]
    assert records[-1].sample_angle_deg == records[-1].batch_angle_deg == (None, None)
    assert Shallow().cost() == Cost()
