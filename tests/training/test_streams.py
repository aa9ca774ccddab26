from __future__ import annotations

import numpy as np
from opu.training.streams import stream


def test_a_stream_is_a_function_of_its_arguments() -> None:
    assert np.array_equal(stream(5, "batches", 3).random(8), stream(5, "batches", 3).random(8))


def test_streams_differ_in_every_argument() -> None:
    keys = [
        (0, "init", 0),
        (0, "batches", 0),
        (0, "batches", 1),
        (1, "init", 0),
        (2**32, "init", 0),
        (2**63 - 1, "init", 0),
    ]
    firsts = {float(stream(*key).random()) for key in keys}  # type: ignore[arg-type]
    assert len(firsts) == len(keys)
