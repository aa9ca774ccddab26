"""Every check, in the order in which they are asked: what others stand on comes first, so that the first failure tells most."""

from __future__ import annotations

from . import (
    check_camera,
    check_codes,
    check_contract,
    check_frames,
    check_identity,
    check_inputs,
    check_light,
    check_long_run,
    check_medium,
    check_outputs,
    check_projection,
    check_recovery,
    check_safety,
    check_timing,
    check_training,
)
from .check import Check

CHECKS: tuple[Check, ...] = (
    *check_identity.CHECKS,
    *check_safety.CHECKS,
    *check_codes.CHECKS,
    *check_light.CHECKS,
    *check_inputs.CHECKS[:1],
    *check_outputs.CHECKS,
    *check_inputs.CHECKS[1:],
    *check_frames.CHECKS,
    *check_camera.CHECKS,
    *check_medium.CHECKS,
    *check_projection.CHECKS,
    *check_timing.CHECKS,
    *check_long_run.CHECKS,
    *check_recovery.CHECKS,
    *check_contract.CHECKS,
    *check_training.CHECKS,
)
