"""The PyTorch bridge on what people really have: other models, trainers, precisions and memory tricks."""

import copy
import shutil
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from opu.errors import InputError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch-test")
pytestmark = pytest.mark.torch

from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import opu.torch as bridge  # noqa: E402

N, CLASSES = 6, 3


class Blocks(nn.Module):
    """Two blocks and a head; `wrap` says how a block is called, `pack` what is returned."""

    def __init__(self, wrap=lambda block, x: block(x), pack=lambda logits: logits, seed=0, dropout=0.0):
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 8), nn.Dropout(dropout), nn.Tanh())
        self.second = nn.Sequential(nn.Linear(8, 7), nn.Tanh())
        self.head = nn.Linear(7, CLASSES)
        self.wrap, self.pack = wrap, pack

    def forward(self, x):
        return self.pack(self.head(self.wrap(self.second, self.wrap(self.first, x))))


def batch(seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(N, 5, generator=generator), torch.randint(0, CLASSES, (N,), generator=generator)


def loss_of(model, read=lambda out: out):
    x, y = batch()
    return nn.functional.cross_entropy(read(model(x)), y)


def gradients(model):
    return {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def expected(**options):
    """Gradients of plain blocks under the same projection."""
    model = Blocks(**options)
    with bridge.DFA(model, ["first", "second"], projector=bridge.Digital(1)):
        loss_of(model).backward()
    return gradients(model)


def same(found, wanted, **tolerance):
    return all(torch.allclose(found[name], wanted[name], **tolerance) for name in wanted)


# What models return


Named = namedtuple("Named", ["extra", "logits"])


@dataclass(frozen=True)
class Frozen:
    logits: Any
    extra: int = 1


class Output(OrderedDict):
    """As in the library of pretrained transformers: a dictionary whose items are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@pytest.mark.parametrize(
    ("pack", "read"),
    [
        (lambda z: (z, 1), lambda out: out[0]),
        (lambda z: [z, 1], lambda out: out[0]),
        (lambda z: {"logits": z, "extra": 1}, lambda out: out["logits"]),
        (lambda z: Output(extra=1, logits=z), lambda out: out.logits),
        (lambda z: Named(1, z), lambda out: out.logits),
        (lambda z: SimpleNamespace(logits=z), lambda out: out.logits),
        (Frozen, lambda out: out.logits),
    ],
    ids=["tuple", "list", "dict", "attribute dict", "named tuple", "object", "frozen dataclass"],
)
def test_logits_are_found_and_exchanged_in_what_the_model_returns(pack, read):
    model = Blocks(pack=pack)
    bridge.DFA(model, [model.first, model.second], projector=bridge.Digital(1))
    out = model(batch()[0])
    assert type(out) is type(pack(torch.zeros(1)))
    loss_of(model, read).backward()
    assert same(gradients(model), expected())


def test_a_model_that_returns_its_loss_names_the_module_of_its_logits():
    class WithLoss(Blocks):
        def forward(self, x):
            return nn.functional.cross_entropy(super().forward(x), batch()[1])

    model = WithLoss()
    bridge.DFA(model, ["first", "second"], projector=bridge.Digital(1), logits="head")
    model(batch()[0]).backward()
    assert same(gradients(model), expected())


def test_logits_that_cannot_be_exchanged_are_refused():
    model = Blocks(pack=lambda z: {"scores": z})
    with (
        bridge.DFA(model, ["first"], projector=bridge.Digital()),
        pytest.raises(InputError, match="say where its logits"),
    ):
        model(batch()[0])
    output = lambda out: out["scores"] * 2  # noqa: E731
    with (
        bridge.DFA(model, ["first"], projector=bridge.Digital(), output=output),
        pytest.raises(InputError, match="must pick one"),
    ):
        model(batch()[0])


def test_a_module_of_logits_that_never_runs_is_refused():
    model = Blocks()
    model.unused = nn.Linear(1, 1)
    bridge.DFA(model, ["first"], projector=bridge.Digital(), logits="unused")
    with pytest.raises(InputError, match="never reached"):
        model(batch()[0])


def test_the_sizes_asked_of_an_opu_are_known_before_there_is_one():
    model = Blocks(dropout=0.5)
    model.second.eval()
    x, _ = batch()
    assert bridge.sizes(model, ["first", "second"], x) == (CLASSES, 15)
    assert bridge.sizes(model, ["second"], x, output=lambda out: out) == (CLASSES, 7)
    assert (model.training, model.first.training, model.second.training) == (True, True, False)
    assert not model._forward_hooks
    model.requires_grad_(False)
    with pytest.raises(InputError, match="nothing to project"):
        bridge.sizes(model, ["first"], x)


def test_a_model_is_under_one_dfa_at_a_time():
    model = Blocks()
    with bridge.DFA(model, ["first"], projector=bridge.Digital()) as dfa:
        with pytest.raises(InputError, match="another DFA already"):
            bridge.DFA(model, ["second"], projector=bridge.Digital())
        twin = copy.deepcopy(model)
        assert twin.first._forward_hooks
    bridge.DFA(twin, ["first"], projector=bridge.Digital())
    bridge.DFA(model, ["second"], projector=dfa._project)


# Layers


def test_feature_maps_are_cut_whole():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 3 * 6, CLASSES)
    )
    shapes, x = [], torch.randn(N, 2, 5, 8)
    matrix = torch.randn(CLASSES, 4 * 3 * 6)
    dfa = bridge.DFA(model, ["1"], projector=lambda e: shapes.append(tuple(e.shape)) or e @ matrix)
    y = batch()[1]
    logits = model(x)
    nn.functional.cross_entropy(logits, y).backward()
    error = (logits.softmax(1) - nn.functional.one_hot(y, CLASSES)).detach() / N
    found = model[0].weight.grad.clone()
    dfa.close()
    model.zero_grad()
    model[1](model[0](x)).backward((error @ matrix / 72**0.5).reshape(N, 4, 3, 6))
    assert shapes == [(N, CLASSES)]
    assert torch.allclose(found, model[0].weight.grad, atol=1e-6)


def test_work_in_place_above_a_cut_and_on_the_logits_corrupts_nothing():
    def build(inplace):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(5, 8), nn.ReLU(inplace), nn.Linear(8, 8), nn.ReLU(inplace), nn.Linear(8, CLASSES)
        )

    found = []
    for inplace in (False, True):
        model = build(inplace)
        bridge.DFA(model, ["0", "2"], projector=bridge.Digital(1))
        loss_of(model, (lambda z: z.mul_(0.5)) if inplace else (lambda z: z * 0.5)).backward()
        found.append(gradients(model))
    assert same(*found)


def test_dropout_within_a_block_keeps_its_mask():
    model = Blocks(dropout=0.5)
    bridge.DFA(model, ["first", "second"], projector=bridge.Digital(1))
    kept = []
    model.first[3].register_forward_hook(lambda module, args, out: kept.append((out != 0).any(dim=0)))
    loss_of(model).backward()
    dead = ~kept[0]
    model.first[2].bias.grad.zero_()
    assert (model.first[2].weight.grad[dead] == 0).all()
    assert model.first[2].weight.grad[~dead].abs().min(dim=1).values.max() > 0


def test_a_module_that_runs_twice_gets_two_slices():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.block, self.head = nn.Sequential(nn.Linear(5, 5), nn.Tanh()), nn.Linear(5, CLASSES)

        def forward(self, x):
            return self.head(self.block(self.block(x)))

    model, (x, _), signal = Twice(), batch(), torch.randn(N, 10)
    bridge.DFA(model, ["block"], projector=lambda error: signal)
    loss_of(model).backward()
    found = model.block[0].weight.grad.clone()
    model.zero_grad()
    scaled = signal / N / 5**0.5
    h = model.block(x)
    torch.autograd.backward([h, model.block(h.detach())], [scaled[:, :5], scaled[:, 5:]])
    assert torch.allclose(found, model.block[0].weight.grad, atol=1e-6)


def test_blocks_frozen_below_a_cut_stay_untouched_and_take_no_slice():
    model = Blocks()
    model.first.requires_grad_(False)
    widths = []
    bridge.DFA(model, ["first", "second"], projector=lambda e: widths.append(7) or torch.ones(len(e), 7))
    loss_of(model).backward()
    assert widths == [7]
    assert all(p.grad is None for p in model.first.parameters())
    assert all(p.grad.abs().max() > 0 for p in model.second.parameters())


# Ways to run


def test_eval_and_nested_no_grad_are_prediction():
    model = Blocks(dropout=0.5)
    x, _ = batch()
    plain = model.eval()(x)

    def never(error):
        raise AssertionError

    bridge.DFA(model, ["first", "second"], projector=never)
    with torch.no_grad():
        assert torch.equal(model(x), plain)
    with torch.inference_mode():
        assert torch.equal(model(x), plain)
    assert torch.equal(model(x), plain)
    with torch.no_grad(), torch.enable_grad():
        assert model(x).requires_grad


def test_a_forward_pass_that_fails_leaves_nothing_behind():
    model = Blocks()
    dfa = bridge.DFA(model, ["first", "second"], projector=bridge.Digital(1))
    broken = model.head.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model(batch()[0])
    assert not dfa._points
    assert model.first(batch()[0]).requires_grad
    broken.remove()
    loss_of(model).backward()
    assert same(gradients(model), expected())


@pytest.mark.parametrize("where", ["inside", "around"])
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing(where, reentrant):
    def wrap(block, x):
        if where == "around":
            return checkpoint(block, x, use_reentrant=reentrant)
        return block(x)

    model = Blocks(wrap)
    if where == "inside":
        inner = model.first[0].forward
        model.first[0].forward = lambda x: checkpoint(inner, x.requires_grad_(), use_reentrant=reentrant)
    bridge.DFA(model, ["first", "second"], projector=bridge.Digital(1))
    if where == "around" and reentrant:
        with pytest.raises(InputError, match="use_reentrant=False"):
            model(batch()[0].requires_grad_())
        return
    loss_of(model).backward()
    assert same(gradients(model), expected(), atol=1e-7)


@pytest.mark.parametrize(
    ("what", "backend"),
    [
        ("block", "aot_eager"),
        ("in place", "aot_eager"),
        ("model", "aot_eager"),
        pytest.param("block", "inductor", marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_compiled(what, backend):
    if backend == "inductor" and not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("torch.compile by inductor needs a C++ compiler")
    torch._dynamo.reset()
    model = Blocks()
    if what == "block":
        model.first = torch.compile(model.first, backend=backend)
    if what == "in place":
        model.first.compile(backend=backend)
    bridge.DFA(model, [model.first, model.second], projector=bridge.Digital(1))
    run = torch.compile(model, backend=backend) if what == "model" else model
    for _ in range(2):
        model.zero_grad()
        loss_of(run).backward()
    found = {name.replace("_orig_mod.", ""): value for name, value in gradients(model).items()}
    assert same(found, expected(), atol=1e-6)


def test_a_second_derivative_is_refused():
    model = Blocks()
    bridge.DFA(model, ["first"], projector=bridge.Digital(1))
    with pytest.raises(InputError, match="no second derivative"):
        loss_of(model).backward(create_graph=True)


# Training


def test_a_scaled_loss_gives_scaled_gradients():
    model = Blocks()
    bridge.DFA(model, ["first", "second"], projector=bridge.Digital(1))
    (65536.0 * loss_of(model)).backward()
    assert same({name: grad / 65536 for name, grad in gradients(model).items()}, expected(), rtol=1e-5, atol=1e-8)


def test_a_gradient_scaler_skips_the_step_that_overflows_and_shows_no_light_for_it():
    model, shown = Blocks(), []
    bridge.DFA(model, ["first"], projector=lambda e: shown.append(e.clone()) or torch.ones(len(e), 8))
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=65536.0)
    before = copy.deepcopy(model.state_dict())
    for overflow in (True, False):
        optimiser.zero_grad()
        loss = loss_of(model) * (torch.inf if overflow else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        moved = not torch.equal(model.first[0].weight, before["first.0.weight"])
        assert moved != overflow
    assert scaler.get_scale() == 32768.0
    assert all(each.isfinite().all() for each in shown)


@pytest.mark.parametrize(
    ("optimiser", "options"),
    [("SGD", {"lr": 0.3, "momentum": 0.9}), ("AdamW", {"lr": 0.02}), ("RMSprop", {"lr": 0.01}), ("LBFGS", {"lr": 0.1})],
)
def test_any_optimiser_lowers_the_loss(optimiser, options):
    model = Blocks()
    bridge.DFA(model, ["first", "second"], projector=bridge.Digital(1))
    chosen = getattr(torch.optim, optimiser)(model.parameters(), **options)

    def closure():
        chosen.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    first = closure().item()
    for _ in range(60):
        last = chosen.step(closure).item()
    assert last < first / 3


def test_state_goes_round_and_copies_share_the_device():
    model, other = Blocks(seed=0), Blocks(seed=1)
    dfa = bridge.DFA(model, ["first", "second"], projector=bridge.Digital(1))
    other.load_state_dict(model.state_dict())
    x, _ = batch()
    assert torch.equal(model(x), other(x))
    twin = copy.deepcopy(model)
    loss_of(twin).backward()
    assert same(gradients(twin), expected())
    dfa.close()
    twin.zero_grad()
    loss_of(twin).backward()
    loss_of(other).backward()
    assert same(gradients(twin), gradients(other))


def test_a_digital_projector_is_a_function_of_its_seed_and_encodes_like_an_opu():
    error = torch.tensor([[0.5, -1.0, 0.2], [0.0, 0.0, 0.0]])
    one, other, coded = (
        bridge.Digital(3),
        bridge.Digital(3),
        bridge.Digital(3, {"kind": "ternary", "threshold": 0.3}),
    )
    for each in (one, other, coded):
        each.fit(3, 4)
    assert torch.equal(one(error), other(error))
    assert torch.allclose(coded(error)[0], one(torch.tensor([[1.0, -1.0, 0.0]]))[0] * (1.29 / 2) ** 0.5)
    assert (coded(error)[1] == 0).all()


def test_an_empty_batch_is_no_projection():
    model = Blocks()
    bridge.DFA(model, ["first"], projector=lambda error: 1 / 0)
    model(torch.zeros(0, 5)).sum().backward()
    assert (model.first[0].weight.grad == 0).all()


@pytest.mark.filterwarnings("ignore")
def test_stock_lightning_with_an_unmodified_module(tmp_path):
    lightning = pytest.importorskip("lightning", reason="Lightning is not installed: make torch-test")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = Blocks()

        def training_step(self, batch, index):
            x, y = batch
            loss = nn.functional.cross_entropy(self.model(x), y)
            self.log("loss", loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 0.02)

    module, calls = Module(), []
    matrix = torch.randn(CLASSES, 15, generator=torch.Generator().manual_seed(1))
    start = copy.deepcopy(module.model.state_dict())
    x, y = batch()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=3)
    trainer = lightning.Trainer(
        max_epochs=40, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    cuts = [module.model.first, module.model.second]
    with bridge.DFA(module.model, cuts, projector=lambda e: calls.append(1) or e @ matrix):
        trainer.fit(module, loader)
    assert len(calls) == 80
    assert not torch.equal(module.model.state_dict()["first.0.weight"], start["first.0.weight"])
    assert float(trainer.callback_metrics["loss"]) < 0.2
