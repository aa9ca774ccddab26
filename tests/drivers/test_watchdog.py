"""The light goes off when the server's end of the pipe closes or falls silent, and not after a farewell."""

import os
import threading
import time

import pytest
from opu.drivers.watchdog import BEAT, FAREWELL, find_hook, watch

from opu.errors import ConfigError


@pytest.fixture
def pipe():
    calls = []
    reading, writing = os.pipe()
    thread = threading.Thread(target=watch, args=(reading, 0.15, lambda: calls.append(time.monotonic())), daemon=True)
    thread.start()
    yield writing, calls, thread
    os.close(reading)


def test_its_end_calls_the_hook(pipe):
    writing, calls, thread = pipe
    os.write(writing, BEAT)
    os.close(writing)
    thread.join(2)
    assert len(calls) == 1


def test_a_farewell_does_not(pipe):
    writing, calls, thread = pipe
    os.write(writing, BEAT + FAREWELL)
    os.close(writing)
    thread.join(2)
    assert not thread.is_alive()
    assert not calls


def test_silence_calls_it_once_until_there_is_life_again(pipe):
    writing, calls, thread = pipe
    for _ in range(4):
        os.write(writing, BEAT)
        time.sleep(0.05)
    assert not calls
    time.sleep(0.5)
    assert len(calls) == 1
    os.write(writing, BEAT)
    time.sleep(0.3)
    assert len(calls) == 2
    os.write(writing, FAREWELL)
    thread.join(2)
    os.close(writing)


@pytest.mark.parametrize("name", ["nowhere:off", "os:nothing", "os", "os:sep", ""])
def test_a_hook_that_is_none_is_refused_at_the_start(name):
    with pytest.raises(ConfigError, match="light_off"):
        find_hook(name)
