from __future__ import annotations

from dataclasses import replace

from opu.training.result import chosen_epoch

from .test_record import RECORD


def test_the_first_epoch_that_is_best_in_validation_is_chosen() -> None:
    history = [replace(RECORD, epoch=e, validation_accuracy=v) for e, v in enumerate((0.5, 0.8, 0.7, 0.8), start=1)]
    assert chosen_epoch(history).epoch == 2
    assert chosen_epoch([replace(r, validation_accuracy=None) for r in history]).epoch == 4
