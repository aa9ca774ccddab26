from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from opu.training.data import Dataset
from opu.training.method import stored_bytes, trainable
from opu.training.methods import make_method, make_network
from opu.training.network import Network
from opu.training.settings import MethodName, TrainSettings

from opu.errors import ConfigError, InputError

from .batches import batch_of
from .fakes import FakeOPU


@pytest.mark.parametrize("name", get_args(MethodName))
def test_every_method_gives_one_gradient_for_each_parameter_and_is_a_function_of_its_seed(
    blobs: Dataset, name: str
) -> None:
    found = []
    for _ in range(2):
        settings = TrainSettings(method=name, feedback="digital", hidden=(6, 4), seed=3).resolved()
        network = make_network(settings, blobs)
        method = make_method(settings, network)
        assert method.name == name
        method.check(network)
        gradients = method.gradients(network, batch_of(network, blobs.train_x, blobs.train_y))
        arrays = trainable(network, method)
        assert len(gradients.parameters) == len(arrays)
        assert len(gradients.deltas) == network.n_blocks
        for g, p in zip(gradients.parameters, arrays, strict=True):
            assert g is None or (g.shape, g.dtype) == (p.shape, p.dtype)
        found.append(gradients)
    for a, b in zip(found[0].parameters, found[1].parameters, strict=True):
        assert (a is None and b is None) or np.array_equal(a, b)


def test_settings_shape_the_network(blobs: Dataset) -> None:
    settings = TrainSettings(hidden=(6,), dropout=0.3, layer_norm=True, activation="relu").resolved()
    kinds = [layer.kind for layer in make_network(settings, blobs).blocks[0]]
    assert kinds == ["dense", "layer norm", "relu", "dropout"]


def test_optical_feedback_needs_a_device_that_is_large_enough(blobs: Dataset) -> None:
    settings = TrainSettings(hidden=(6,)).resolved()
    network = make_network(settings, blobs)
    with pytest.raises(ConfigError, match="name a device"):
        make_method(settings, network)
    with pytest.raises(InputError, match="projects to 5 outputs, feedback needs 6"):
        make_method(settings, network, FakeOPU(3, 5))  # type: ignore[arg-type]


def test_stored_bytes_are_those_of_the_arrays_that_the_rules_need() -> None:
    """Dense layers keep their input, tanh its output, which is the next one's input and counts once; 4 bytes each."""
    network, x = Network((5, 8, 6, 3), np.random.default_rng(0)), np.ones((10, 5), np.float32)
    assert stored_bytes(network, x, "network") == 4 * (5 + 8 + 6)
    assert stored_bytes(network, x, "pair") == 4 * (5 + 8 + 6)
    assert stored_bytes(network, x, "block") == 4 * (8 + 6)
    assert stored_bytes(network, x, "last") == 4 * 6
    masked = Network((5, 8, 3), np.random.default_rng(0), dropout=0.5)
    assert stored_bytes(masked, x, "network") == 4 * (5 + 8 + 8 + 8)  # tanh's output, the mask, their product
