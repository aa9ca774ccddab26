from __future__ import annotations

import numpy as np
import pytest
from opu.training.arrays import Array
from opu.training.backprop import Backprop
from opu.training.batch import Batch
from opu.training.data import Dataset
from opu.training.dfa import DFA
from opu.training.drift import DRIFT_ROWS
from opu.training.drtp import DRTP
from opu.training.feedback import DigitalFeedback, OpticalFeedback
from opu.training.loss import LOSSES
from opu.training.method import Cost
from opu.training.network import Gradients, Network
from opu.training.optimiser import SGD, Adam
from opu.training.record import EpochRecord
from opu.training.trainer import Plan, accuracy, fit

from opu.errors import AlignmentWarning, DriftWarning, OPUError

from .fakes import FakeOPU

PLAN = Plan(epochs=3, batch_size=16, seed=1, learning_rate=1e-2)


def network(seed: int = 0) -> Network:
    return Network((5, 8, 3), np.random.default_rng(seed))


def test_backprop_learns_separated_classes(blobs: Dataset) -> None:
    net = network()
    records = fit(net, Backprop(), Adam(net.parameters), blobs, Plan(20, 16, 1, 1e-2))
    assert records[-1].test_accuracy == accuracy(net, blobs.test_x, blobs.test_y)
    assert records[-1].test_accuracy >= 0.9
    assert records[-1].train_loss < records[0].train_loss


def test_every_sample_is_seen_once_an_epoch_and_callbacks_follow(blobs: Dataset) -> None:
    seen: list[Array] = []

    class Watching(Backprop):
        def gradients(self, network: Network, batch: Batch) -> Gradients:
            seen.append(batch.trace.x)
            return super().gradients(network, batch)

    steps: list[tuple[int, int, int]] = []
    epochs: list[EpochRecord] = []
    net = network()
    records = fit(
        net, Watching(), Adam(net.parameters), blobs, PLAN, on_batch=lambda *s: steps.append(s), on_epoch=epochs.append
    )
    assert steps == [(e, s, 5) for e in (1, 2, 3) for s in (1, 2, 3, 4, 5)]
    assert epochs == records
    assert [r.epoch for r in records] == [1, 2, 3]
    batches = [b for b in seen if len(b) <= 16]  # the probe is larger
    assert [len(b) for b in batches[:5]] == [16, 16, 16, 16, 6]
    first, second = np.concatenate(batches[:5]), np.concatenate(batches[5:10])
    assert not np.array_equal(first, second)
    for shown in (first, second):
        np.testing.assert_array_equal(np.sort(shown, axis=0), np.sort(blobs.train_x, axis=0))


def test_training_is_a_function_of_its_seed(blobs: Dataset) -> None:
    def run(seed: int) -> list[Array]:
        net = network()
        fit(net, Backprop(), Adam(net.parameters), blobs, Plan(2, 16, seed, 1e-2))
        return net.parameters

    assert all(np.array_equal(a, b) for a, b in zip(run(1), run(1), strict=True))
    assert not np.array_equal(run(1)[0], run(2)[0])


@pytest.mark.parametrize("rule", ["bp", "dfa"])
def test_stopping_and_going_on_is_bit_identical(blobs: Dataset, rule: str) -> None:
    def method() -> Backprop | DFA:
        return Backprop() if rule == "bp" else DFA(DigitalFeedback(3, 8, 4))

    straight, broken = network(), network()
    plan = Plan(4, 16, 1, 1e-2)
    whole = fit(straight, method(), Adam(straight.parameters), blobs, plan)

    class Stop(Exception):
        pass

    def stop(record: EpochRecord) -> None:
        history.append(record)
        if record.epoch == 2:
            raise Stop

    history: list[EpochRecord] = []
    first = Adam(broken.parameters)
    with pytest.raises(Stop):
        fit(broken, method(), first, blobs, plan, on_epoch=stop)
    second = Adam(broken.parameters)
    second.load_state(first.state())
    rest = fit(broken, method(), second, blobs, plan, history=history)
    assert all(np.array_equal(a, b) for a, b in zip(straight.parameters, broken.parameters, strict=True))
    assert [r.train_loss for r in rest] == [r.train_loss for r in whole]


def test_frames_are_two_a_row_for_training_and_probe(blobs: Dataset) -> None:
    net = network()
    records = fit(net, DFA(OpticalFeedback(FakeOPU(3, 8), 3, 8)), Adam(net.parameters), blobs, PLAN)
    drift = 2 * DRIFT_ROWS
    assert records[0].frames == 2 * (70 + 70) + 3 * drift  # the probe is all 70 samples: fewer than 256
    assert [r.frames for r in records[1:]] == [2 * (70 + 70) + drift] * 2
    assert records[0].device_seconds == pytest.approx(records[0].frames / 1000)


def test_seconds_come_from_the_clock(blobs: Dataset) -> None:
    ticks = iter(range(100))
    net = network()
    records = fit(net, Backprop(), Adam(net.parameters), blobs, PLAN, clock=lambda: float(next(ticks)))
    assert [r.seconds for r in records] == [1.0] * 3


def test_divergence_names_epoch_step_rate_and_remedy(blobs: Dataset) -> None:
    net = network()
    with pytest.raises(
        OPUError, match=r"diverged: .* at epoch 1, step \d of 5, learning rate 1e\+38; lower learning_rate"
    ):
        fit(net, Backprop(), SGD(net.parameters), blobs, Plan(3, 16, 1, 1e38))


def test_a_bad_last_update_is_caught_before_it_is_saved(blobs: Dataset) -> None:
    class Poison(Backprop):
        def gradients(self, network: Network, batch: Batch) -> Gradients:
            return Gradients([np.full_like(p, np.nan) for p in network.parameters], [None, None])

        def cost(self) -> Cost:
            return Cost()

    net = network()
    saved: list[EpochRecord] = []
    with pytest.raises(OPUError, match="a weight is not finite at epoch 1, step 1 of 1"):
        fit(net, Poison(), SGD(net.parameters), blobs, Plan(1, 100, 1, 1e-2), on_epoch=saved.append)
    assert saved == []


@pytest.mark.parametrize("loss", list(LOSSES))
def test_every_loss_teaches(blobs: Dataset, loss: str) -> None:
    net = network()
    plan = Plan(20, 16, 1, 1e-2, loss=loss)  # type: ignore[arg-type]
    records = fit(net, Backprop(), Adam(net.parameters), blobs, plan)
    assert records[-1].test_accuracy >= 0.9
    assert records[-1].train_loss < records[0].train_loss


class Unrelated(DigitalFeedback):
    """Projections of other errors, never the same."""

    rng = np.random.default_rng(3)

    def project(self, error: Array) -> Array:
        return super().project(self.rng.standard_normal(error.shape, dtype=np.float32))


def test_feedback_that_teaches_nothing_is_warned_of_once(digits: Dataset) -> None:
    net = Network((64, 128, 10), np.random.default_rng(0))
    with pytest.warns(
        AlignmentWarning, match=r"after \d+ epochs .* degrees from the true gradient.*threshold"
    ) as caught:
        fit(net, DFA(Unrelated(10, 128, 0)), Adam(net.parameters), digits, Plan(12, 64, 0, 1e-3))
    assert len(caught) == 1


def test_other_rules_may_be_far_from_the_gradient(blobs: Dataset) -> None:
    """Only feedback is expected to align: a shallow network's angles do not exist, and targets may lie across."""
    net = network()
    fit(net, DRTP(Unrelated(3, 8, 0)), Adam(net.parameters), blobs, Plan(12, 16, 0, 1e-3))


def test_light_that_forgets_faster_than_the_network_learns_is_warned_of(blobs: Dataset) -> None:
    class Drifting(OpticalFeedback):
        """A medium with a 1/e time of 20 projections."""

        def project(self, error: Array) -> Array:
            opu, keep = self._opu, np.exp(-1 / 20)
            fresh = np.random.default_rng(self.frames_shown).standard_normal(opu.matrix.shape, dtype=np.float32)
            opu.matrix = (keep * opu.matrix + np.sqrt(1 - keep**2) * fresh).astype(np.float32)
            return super().project(error)

    net = Network((5, 400, 3), np.random.default_rng(0))
    with pytest.warns(DriftWarning, match=r"within \d+ steps.*Steady the medium"):
        fit(net, DFA(Drifting(FakeOPU(3, 400), 3, 400)), Adam(net.parameters), blobs, Plan(4, 16, 1, 1e-2))
