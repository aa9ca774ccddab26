"""Exactly once: numbers, repeats, gaps, failures, and what is kept."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.drivers.messages import READINGS, Rows, unpack_rows
from opu.drivers.scpi_errors import DEVICE, FORGOTTEN, GAP, NOT_SHOWN, ScpiError
from opu.drivers.show_queue import NotNow, ShowQueue

from opu.errors import DeviceError


class Shown:
    """Records what is shown; reads the frames' own bytes, with how often anything was shown before them."""

    def __init__(self):
        self.blocks, self.fail, self.gate = [], None, threading.Event()
        self.gate.set()

    def __call__(self, frames):
        self.gate.wait(5)
        if self.fail is not None:
            failure, self.fail = self.fail, None
            raise failure
        self.blocks.append(frames.copy())
        return np.concatenate([frames, np.full((len(frames), 1), len(self.blocks), np.uint8)], axis=1)


@pytest.fixture
def shown():
    return Shown()


@pytest.fixture
def queue(shown):
    queue = ShowQueue(shown, 10_000)
    yield queue
    queue.stop()


def block(sequence, n=2):
    return Rows(sequence, np.full((n, 3), sequence % 256, np.uint8))


def fetched(queue, sequence):
    reply = queue.reading(sequence, 5)
    head, payload = reply
    return unpack_rows(READINGS, (head + bytes(payload))[2 + int(chr(head[1])) :])


def code(action, *arguments):
    with pytest.raises(ScpiError) as caught:
        action(*arguments)
    return caught.value.code


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(["send", "resend", "fetch", "fetch again", "skip"]), max_size=25))
def test_whatever_is_repeated_nothing_is_shown_twice_or_left_out(actions):
    shown = Shown()
    queue = ShowQueue(shown, 1 << 20)
    sent = 0
    for action in actions:
        if action == "send":
            sent += 1
            assert queue.accept(block(sent))
        elif action == "resend" and sent:
            assert not queue.accept(block(1 + sent // 2))
        elif action == "skip":
            assert code(queue.accept, block(sent + 2)) == GAP
        elif sent:
            sequence = sent if action == "fetch" else 1 + sent // 2
            readings = fetched(queue, sequence)
            assert readings.sequence == sequence
            assert readings.rows[:, -1].tolist() == [sequence % 256] * 2
    assert queue.drain(5)
    assert [int(frames[0, 0]) for frames in shown.blocks] == list(range(1, sent + 1))
    queue.stop()


def test_readings_that_are_not_there_yet_are_none(queue, shown):
    shown.gate.clear()
    queue.accept(block(1))
    assert queue.reading(1, 0.01) is None
    assert not queue.drain(0.01)
    shown.gate.set()
    assert fetched(queue, 1).rows.shape == (2, 4)
    assert code(queue.reading, 2, 1) == GAP


def test_a_failure_holds_up_what_was_sent_after_it_until_it_is_fetched(queue, shown):
    shown.gate.clear()
    shown.fail = DeviceError("the lamp is broken")
    queue.accept(block(1))
    queue.accept(block(2))
    shown.gate.set()
    assert queue.drain(5)
    queue.accept(block(3))
    assert code(queue.reading, 2, 5) == NOT_SHOWN
    assert code(queue.reading, 1, 5) == DEVICE
    queue.accept(block(4))
    assert fetched(queue, 4).sequence == 4
    assert [int(frames[0, 0]) for frames in shown.blocks] == [4]
    assert code(queue.reading, 1, 5) == DEVICE  # it can be fetched again, too
    assert code(queue.reading, 3, 5) == NOT_SHOWN


def test_old_readings_go_and_say_so(queue):
    for k in range(1, 5):
        queue.accept(block(k, n=1000))
        fetched(queue, k)
    assert code(queue.reading, 1, 1) == FORGOTTEN
    assert fetched(queue, 4).sequence == 4
    assert queue.kept_bytes <= 10_000


def test_the_latest_is_kept_however_large(queue):
    queue.accept(block(1, n=5000))
    assert len(fetched(queue, 1).rows) == 5000


def test_purged_numbers_are_free_again(queue, shown):
    shown.gate.clear()
    queue.accept(block(1))
    while queue.reading(1, 0.01) is None and len(queue._waiting):
        pass
    queue.accept(block(2))
    queue.accept(block(3))
    queue.purge()
    assert queue.next_sequence == 2
    shown.gate.set()
    assert fetched(queue, 1).sequence == 1
    assert queue.accept(block(2))


def test_what_could_not_be_shown_now_may_be_sent_again(queue, shown):
    shown.fail = NotNow()
    queue.accept(block(1))
    assert queue.drain(5)
    assert queue.next_sequence == 1
    assert code(queue.reading, 1, 1) == GAP
    queue.accept(block(1))
    assert fetched(queue, 1).sequence == 1


def test_reset_starts_from_one(queue, shown):
    shown.gate.clear()
    queue.accept(block(1))
    queue.reset()
    shown.gate.set()
    queue.drain(5)
    assert code(queue.reading, 1, 1) == GAP
    assert queue.accept(block(1))
