"""The PyTorch bridge. Runs where PyTorch is installed: `make torch-test` makes such an environment."""

import copy
from itertools import pairwise

import numpy as np
import pytest

import opu
from opu.errors import InputError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch-test")
pytestmark = pytest.mark.torch

from torch import nn  # noqa: E402

import opu.torch as bridge  # noqa: E402


def mlp(seed=0, sizes=(5, 8, 7, 3)):
    torch.manual_seed(seed)
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def gaussian(n_errors, width, seed=1):
    matrix = torch.randn(n_errors, width, generator=torch.Generator().manual_seed(seed))
    return matrix, lambda error: error @ matrix


def batch(n=6, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 5, generator=generator), torch.randint(0, 3, (n,), generator=generator)


def test_gradients_are_those_of_direct_feedback_alignment():
    model, (x, y) = mlp(), batch()
    matrix, project = gaussian(3, 15)
    bridge.DFA(model, [model[1], "3"], projector=project)
    nn.functional.cross_entropy(model(x), y).backward()
    with torch.no_grad():
        h1 = torch.tanh(x @ model[0].weight.T + model[0].bias)
        h2 = torch.tanh(h1 @ model[2].weight.T + model[2].bias)
        logits = h2 @ model[4].weight.T + model[4].bias
        error = (logits.softmax(1) - nn.functional.one_hot(y, 3)) / len(x)
        signal = error @ matrix
        delta1 = signal[:, :8] / 8**0.5 * (1 - h1**2)
        delta2 = signal[:, 8:] / 7**0.5 * (1 - h2**2)
    for layer, expected in ((0, delta1.T @ x), (2, delta2.T @ h1), (4, error.T @ h2)):
        assert torch.allclose(model[layer].weight.grad, expected, atol=1e-6)


def test_a_zeroed_projector_leaves_every_cut_block_without_gradient():
    model, (x, y) = mlp(), batch()
    bridge.DFA(model, [model[1], model[3]], projector=lambda error: torch.zeros(len(error), 15))
    nn.functional.cross_entropy(model(x), y).backward()
    assert all((p.grad == 0).all() for p in [*model[0].parameters(), *model[2].parameters()])
    assert model[4].weight.grad.abs().max() > 0


def test_a_block_of_several_layers_is_differentiated_exactly():
    model, (x, y) = mlp(), batch()
    matrix, project = gaussian(3, 7)
    twin = copy.deepcopy(model)
    bridge.DFA(model, [model[3]], projector=project)
    nn.functional.cross_entropy(model(x), y).backward()
    h = twin[:4](x)
    logits = twin[4](h.detach())
    error = (logits.softmax(1) - nn.functional.one_hot(y, 3)) / len(x)
    h.backward((error @ matrix / 7**0.5).detach())
    assert torch.allclose(model[0].weight.grad, twin[0].weight.grad, atol=1e-6)


def test_one_projection_a_step_whatever_the_number_of_cuts():
    calls = []
    model, (x, y) = mlp(), batch()

    def project(error):
        calls.append(error.shape)
        return torch.zeros(len(error), 15)

    bridge.DFA(model, [model[1], model[3]], projector=project)
    nn.functional.cross_entropy(model(x), y).backward()
    assert calls == [(6, 3)]


def test_errors_reach_the_projector_row_by_row_whatever_the_batch():
    seen = []
    model, (x, y) = mlp(), batch()
    bridge.DFA(model, [model[1]], projector=lambda error: seen.append(error) or torch.zeros(len(error), 8))
    logits = model(x)
    nn.functional.cross_entropy(logits, y).backward()
    expected = (logits.softmax(1) - nn.functional.one_hot(y, 3)).detach()
    assert torch.allclose(seen[0], expected, atol=1e-6)


def test_no_grad_and_prediction_are_untouched():
    model, (x, _) = mlp(), batch()
    plain = model(x)
    with bridge.DFA(model, [model[1]], projector=lambda e: torch.zeros(len(e), 8)) as dfa, torch.no_grad():
        assert torch.equal(model(x), plain)
        dfa.enabled = False
    assert torch.equal(model(x), plain)


def test_closed_it_is_backpropagation_again():
    model, (x, y) = mlp(), batch()
    twin = copy.deepcopy(model)
    bridge.DFA(model, [model[1]], projector=lambda e: torch.zeros(len(e), 8)).close()
    for each in (model, twin):
        nn.functional.cross_entropy(each(x), y).backward()
    assert torch.equal(model[0].weight.grad, twin[0].weight.grad)
    assert list(model.state_dict()) == list(twin.state_dict())


def test_several_forwards_before_one_backward_add_up():
    model, (x, y) = mlp(), batch()
    _, project = gaussian(3, 15)
    bridge.DFA(model, [model[1], model[3]], projector=project)
    gradients = []
    for together in (True, False):
        model.zero_grad()
        losses = [nn.functional.cross_entropy(model(part), target) for part, target in ((x[:3], y[:3]), (x[3:], y[3:]))]
        if together:
            sum(losses).backward()
        else:
            for loss in losses:
                loss.backward()
        gradients.append(model[0].weight.grad.clone())
    assert torch.allclose(*gradients, atol=1e-7)


def test_tuple_outputs_and_tokens():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(4, 4)

        def forward(self, x):
            return torch.tanh(self.lin(x)), "state"

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.head = Block(), nn.Linear(4, 9)

        def forward(self, x):
            return self.head(self.block(x)[0]), None

    torch.manual_seed(0)
    model, x = Model(), torch.randn(2, 5, 4)
    shapes = []
    bridge.DFA(model, ["block"], projector=lambda e: shapes.append(tuple(e.shape)) or torch.ones(len(e), 4))
    logits, none = model(x)
    nn.functional.cross_entropy(logits.reshape(-1, 9), torch.zeros(10, dtype=torch.long)).backward()
    assert none is None
    assert shapes == [(10, 9)]
    assert model.block.lin.weight.grad.abs().max() > 0


def test_mixed_precision():
    model, (x, y) = mlp(), batch()
    _, project = gaussian(3, 15)
    bridge.DFA(model, [model[1], model[3]], projector=project)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model[0].weight.detach().clone()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimiser.step()
    assert model[0].weight.grad.dtype == torch.float32
    assert not torch.equal(model[0].weight, before)


@pytest.mark.slow
def test_a_network_learns_through_simulated_light():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = torch.tensor((x - x.mean(0)) / (x.std(0) + 1e-6), dtype=torch.float32)
    y = torch.tensor(y)
    torch.manual_seed(0)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    model = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 10))
    ternary = {"kind": "ternary", "threshold": 0.3}
    with opu.open("sim", n_inputs=10, n_outputs=256, encoding=ternary, retrieval="anchor2") as o:
        o.calibrate(fill=0.2)
        bridge.DFA(model, [model[1], model[3]], opu=o)
        optimiser = torch.optim.Adam(model.parameters(), 2e-3)
        for _ in range(12):
            for rows in torch.randperm(1500).split(32):
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
                optimiser.step()
        frames = o.status().frames_shown
    with torch.no_grad():
        accuracy = (model(x[1500:]).argmax(1) == y[1500:]).float().mean()
    assert accuracy > 0.93, accuracy
    assert frames > 1000


def test_an_opu_is_a_layer():
    with opu.open("sim", n_inputs=20, n_outputs=50, preset="ideal") as o:
        layer, x = bridge.OPUMap(o), torch.randn(2, 3, 20, requires_grad=True)
        y = layer(x)
        assert y.shape == (2, 3, 50)
        assert y.dtype == torch.float32
        assert not y.requires_grad
        assert "20 -> 50, linear" in repr(layer)
        bits = torch.randint(0, 2, (4, 20))
        assert np.array_equal(bridge.OPUMap(o, "intensity")(bits).shape, (4, 50))


@pytest.mark.parametrize(
    ("cuts", "message"), [(["nope"], "is not a module"), ([], "at least one cut"), (["1", "1"], "cut twice")]
)
def test_bad_cuts_are_refused(cuts, message):
    with pytest.raises(InputError, match=message):
        bridge.DFA(mlp(), cuts, projector=lambda e: e)


def test_an_opu_that_does_not_fit_is_refused_before_a_step():
    model, (x, _) = mlp(), batch()
    for size, message in (((2, 15), r"3 logits.*2 inputs.*n_inputs=3"), ((3, 5), r"8 wide.*n_outputs=8")):
        with (
            opu.open("sim", n_inputs=size[0], n_outputs=size[1]) as o,
            bridge.DFA(model, [model[1]], opu=o),
            pytest.raises(InputError, match=message),
        ):
            model(x)
