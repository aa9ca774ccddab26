"""Every check of the level as a test of the device that the options name; without one nothing is collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .check import Check
    from .session import Session

pytestmark = pytest.mark.filterwarnings("default")


def test_device(check: Check, session: Session, lost: list[Check]) -> None:
    """What the check says: a failure with its cause and remedy, or why it could not tell."""
    from .suite import judge

    if lost:
        pytest.skip(f"the device was lost in {lost[0].name}")
    outcome = judge(session, check).outcome
    if outcome.cause == "device lost":
        lost.append(check)
    if outcome.result == "failed":
        pytest.fail(f"{outcome.cause}: {outcome.message}", pytrace=False)
    if outcome.result in ("skipped", "unjudged"):
        pytest.skip(("could not be judged: " if outcome.result == "unjudged" else "") + outcome.message)
