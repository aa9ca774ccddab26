import numpy as np
import pytest
from opu.sim.drift import MEDIA_KEPT, DriftingMedium, medium_seed
from opu.sim.wander import EPOCHS_PER_TIME_CONSTANT, weights


class Constant:
    """A medium that adds its node's number, times amplitude, to every field."""

    def __init__(self, node: int) -> None:
        self.node = node

    def add_fields(self, packed, anchored, amplitude, fields):
        fields += np.complex64(amplitude * self.node)


def add(medium: DriftingMedium, times_s) -> np.ndarray:
    fields = np.zeros((len(times_s), 2), np.complex64)
    frames = np.zeros((len(times_s), 1), np.uint8)
    medium.add_fields(frames, np.zeros(len(times_s), np.float32), 2.0, np.asarray(times_s, float), fields)
    return fields


def test_each_frame_gets_the_media_of_its_epoch():
    times_s = np.array([0.0, 0.004, 0.01, 0.5, 0.5, 3.0, 17.0])
    fields = add(DriftingMedium(Constant, 1.0), times_s)
    for time_s, field in zip(times_s, fields, strict=True):
        expected = 2 * sum(node * weight for node, weight in weights(int(time_s * EPOCHS_PER_TIME_CONSTANT)))
        assert field == pytest.approx([expected, expected], rel=1e-5)


def test_a_still_medium_is_node_0_for_ever():
    made = []

    def make(node):
        made.append(node)
        return Constant(1)

    still = DriftingMedium(make)
    assert np.all(add(still, [0.0, 1e6]) == 2)
    assert made == [0]


def test_only_the_media_last_used_are_kept():
    medium = DriftingMedium(Constant, 1.0)
    whole = add(medium, np.arange(0, 4, 0.01))
    assert len(medium._media) <= MEDIA_KEPT
    assert np.array_equal(add(medium, np.arange(0, 4, 0.01)), whole)


def test_media_have_seeds_of_their_own():
    seeds = {medium_seed(7, node, polarisation) for node in range(3000) for polarisation in (0, 1)}
    assert len(seeds) == 6000
    assert medium_seed(7, 0, 0) == 7
