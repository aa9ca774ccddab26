from __future__ import annotations

import json

import pytest
from opu.training.record import EpochRecord

from opu.errors import InputError

RECORD = EpochRecord(1, 0.5, 0.8, 0.75, 1e-3, (80.5, None), (60.25, None), 12, 0.1, 1 / 3)


def test_records_go_round_through_json_exactly() -> None:
    assert EpochRecord.from_json(json.loads(json.dumps(RECORD.as_json()))) == RECORD


def test_records_of_before_there_was_validation_are_read() -> None:
    old = {k: v for k, v in RECORD.as_json().items() if k != "validation_accuracy"}
    assert EpochRecord.from_json(old) == RECORD


def test_missing_fields_are_named() -> None:
    with pytest.raises(InputError, match="lacks frames"):
        EpochRecord.from_json({k: v for k, v in RECORD.as_json().items() if k != "frames"})
