from __future__ import annotations

import math

import array_api_strict
import numpy as np
import pytest
from opu.training.optimiser import SGD, Adam, make_optimiser

import opu
from opu.errors import InputError


def test_first_adam_step_is_lr_times_sign() -> None:
    p, g = np.zeros(3, np.float32), np.array([4.0, -1e-3, 0.0], np.float32)
    Adam([p]).step([g], 0.1)
    np.testing.assert_allclose(p, [-0.1, 0.1, 0.0], rtol=2e-5)  # eps/|g| = 1e-5 of the step


def test_adam_follows_the_paper_in_scalars() -> None:
    gradients = [0.5, -0.2, 0.9, 0.1, -1.5]
    x = m = v = 0.0
    p = np.zeros(1, np.float32)
    adam = Adam([p])
    for t, g in enumerate(gradients, start=1):  # algorithm 1 of Kingma & Ba, line by line
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        x -= 0.01 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        adam.step([np.array([g], np.float32)], 0.01)
        assert p[0] == pytest.approx(x, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_is_numpys_to_the_last_bit(dtype: type) -> None:
    rng = np.random.default_rng(0)
    p = rng.standard_normal((37, 53)).astype(dtype)
    ours, m, v = p.copy(), np.zeros_like(p), np.zeros_like(p)
    adam = Adam([ours])
    for t in range(1, 6):
        g = np.asfortranarray(rng.standard_normal(p.shape).astype(dtype))
        m = m * 0.9 + g * (1 - 0.9)
        v = v * 0.999 + g * g * (1 - 0.999)
        p -= m / (np.sqrt(v) / (1 - 0.999**t) ** 0.5 + 1e-8) * (0.01 / (1 - 0.9**t))
        adam.step([g], 0.01)
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours, p)
    np.testing.assert_array_equal(adam.state()["square.0"], v)


def test_adam_refuses_parameters_it_could_not_update_in_place() -> None:
    with pytest.raises(InputError, match="C-contiguous"):
        Adam([np.ones((4, 4), np.float32)[:, ::2]])


def test_sgd_with_constant_gradient_has_a_closed_form() -> None:
    p, g = np.zeros(1), np.ones(1)
    sgd = SGD([p], momentum=0.5)
    for _ in range(4):
        sgd.step([g], 0.1)
    # velocity_k = 2 (1 - 2^-k), summed over k = 1..4: 1 + 1.5 + 1.75 + 1.875
    assert p[0] == pytest.approx(-0.1 * 6.125)


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_none_leaves_a_parameter_alone_and_updates_are_in_place(name: str) -> None:
    parameters = [np.ones(2, np.float32), np.ones(2, np.float32)]
    kept = list(parameters)
    optimiser = make_optimiser(name, parameters)  # type: ignore[arg-type]
    optimiser.step([None, np.ones(2, np.float32)], 0.1)
    np.testing.assert_array_equal(kept[0], 1)
    assert (kept[1] < 1).all()
    assert kept[1].dtype == np.float32


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_state_continues_exactly(name: str) -> None:
    rng = np.random.default_rng(0)
    gradients = [rng.standard_normal(5, dtype=np.float32) for _ in range(6)]
    straight, broken = np.ones(5, np.float32), np.ones(5, np.float32)
    optimiser = make_optimiser(name, [straight])  # type: ignore[arg-type]
    for g in gradients:
        optimiser.step([g], 0.05)
    first = make_optimiser(name, [broken])  # type: ignore[arg-type]
    for g in gradients[:3]:
        first.step([g], 0.05)
    second = make_optimiser(name, [broken])  # type: ignore[arg-type]
    second.load_state({k: a.copy() for k, a in first.state().items()})
    for g in gradients[3:]:
        second.step([g], 0.05)
    np.testing.assert_array_equal(straight, broken)


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_weight_decay_is_the_gradient_of_half_the_squared_norm(name: str) -> None:
    decayed, plain = np.array([3.0, -2.0]), np.array([3.0, -2.0])
    a, b = (make_optimiser(name, [p], 0.9, d) for p, d in ((decayed, 0.1), (plain, 0.0)))  # type: ignore[arg-type]
    for g in (np.array([1.0, 2.0]), np.array([-1.0, 0.5])):
        b.step([g + 0.1 * plain], 0.05)
        a.step([g], 0.05)
    np.testing.assert_allclose(decayed, plain, rtol=1e-14)
    a.step([None], 0.05)
    np.testing.assert_allclose(decayed, plain, rtol=1e-14)


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_any_library_will_do(name: str) -> None:
    xp, rng = array_api_strict, np.random.default_rng(0)
    ours = rng.standard_normal((3, 4))
    theirs = xp.asarray(ours.copy())
    a, b = (make_optimiser(name, [p], 0.9, 0.01) for p in (ours, theirs))  # type: ignore[arg-type]
    for _ in range(5):
        g = rng.standard_normal((3, 4))
        a.step([g], 0.1)
        b.step([xp.asarray(g)], 0.1)
    np.testing.assert_allclose(np.asarray(theirs), ours, rtol=1e-12)
    again = make_optimiser(name, [theirs])  # type: ignore[arg-type]
    again.load_state({key: np.asarray(value) for key, value in b.state().items()})


def test_large_arrays_are_shared_by_threads_without_a_trace() -> None:
    rng = np.random.default_rng(0)
    start, g = rng.standard_normal((2, 600, 500), dtype=np.float32)
    results = []
    for threads in (1, 3):
        opu.set_num_threads(threads)
        try:
            p = start.copy()
            Adam([p]).step([g], 0.1)
        finally:
            opu.set_num_threads(None)
        results.append(p)
    np.testing.assert_array_equal(*results)


def test_a_foreign_state_is_refused() -> None:
    adam = Adam([np.ones(5, np.float32)])
    with pytest.raises(InputError, match=r"Adam state 'step' .* found nothing"):
        adam.load_state(SGD([np.ones(5, np.float32)]).state())
    with pytest.raises(InputError, match=r"'mean.0' needs shape \(5,\), found \(4,\)"):
        adam.load_state(Adam([np.ones(4, np.float32)]).state())
