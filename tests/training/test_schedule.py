from __future__ import annotations

import pytest
from opu.training.schedule import learning_rate

from opu.errors import ConfigError


@pytest.mark.parametrize("name", ["exponential", "cosine"])
def test_rates_run_from_initial_to_the_final_fraction(name: str) -> None:
    rates = [learning_rate(name, 0.1, 0.13, k, 5) for k in range(1, 6)]  # type: ignore[arg-type]
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.013)
    assert rates == sorted(rates, reverse=True)


def test_exponential_has_equal_ratios() -> None:
    rates = [learning_rate("exponential", 1.0, 0.6**4, k, 5) for k in range(1, 6)]
    assert rates == pytest.approx([0.6**k for k in range(5)])


def test_cosine_is_halfway_in_the_middle() -> None:
    assert learning_rate("cosine", 1.0, 0.2, 3, 5) == pytest.approx(0.6)


def test_constant_and_single_epochs_keep_the_rate() -> None:
    assert [learning_rate("constant", 0.1, 0.13, k, 3) for k in (1, 2, 3)] == [0.1] * 3
    assert learning_rate("exponential", 0.1, 0.13, 1, 1) == 0.1


@pytest.mark.parametrize("epoch", [0, 6])
def test_epochs_outside_the_plan_are_refused(epoch: int) -> None:
    with pytest.raises(ConfigError, match=r"planned 1\.\.5"):
        learning_rate("constant", 0.1, 0.13, epoch, 5)
