"""A process of its own that turns the light off when the server dies or hangs: SIGKILL leaves the server no time to.

It reads a pipe that only the server writes: the device's table in a line, then beats. Its end, or silence, calls the hook
`module:function` with that table; a last word of "." says that the server has turned the light off itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any

from opu.errors import ConfigError

SILENCE_S = 1.5
BEAT_S = 0.25
BEAT, FAREWELL = b"+", b"."

Hook = Callable[[Mapping[str, Any]], None]


def find_hook(name: str) -> Hook:
    """The function that `module:function` names; ConfigError if there is none."""
    module, _, function = name.partition(":")
    try:
        hook = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"light_off = {name!r}: {error}; write module:function, importable where the server runs"
        ) from None
    if not callable(hook):
        raise ConfigError(f"light_off = {name!r} is a {type(hook).__name__}, not a function")
    return hook  # type: ignore[no-any-return]


class Watchdog:
    """The server's end: the process runs until farewell()."""

    def __init__(self, light_off: str, profile: Mapping[str, Any], silence_s: float = SILENCE_S) -> None:
        find_hook(light_off)
        command = [sys.executable, "-m", __name__, light_off, str(silence_s)]
        # Its own session: Ctrl-C in the terminal must not reach it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, bufsize=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(dict(profile), default=str).encode() + b"\n")
        if self._process.stdout.read(1) != BEAT:
            self._process.wait()
            raise ConfigError(
                f"the watchdog process for light_off = {light_off!r} does not start; its message is above"
            )
        self._process.stdout.close()
        self._pipe = self._process.stdin
        self._stop = Event()
        Thread(target=self._beat, name="opu watchdog", daemon=True).start()

    @property
    def process_id(self) -> int:
        """Of the watchdog."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still watches."""
        return self._process.poll() is None

    def farewell(self) -> None:
        """The light is off: the process ends without calling the hook."""
        self._stop.set()
        with suppress(OSError):
            self._pipe.write(FAREWELL)
            self._pipe.close()
        self._process.wait(5)

    def alarm(self) -> None:
        """The light may be on: the process calls the hook, then ends."""
        self._stop.set()
        with suppress(OSError):
            self._pipe.close()
        Thread(target=self._process.wait, name="opu watchdog's end", daemon=True).start()

    def _beat(self) -> None:
        with suppress(OSError, ValueError):
            while not self._stop.wait(BEAT_S):
                self._pipe.write(BEAT)


def watch(descriptor: int, silence_s: float, hook: Callable[[], None]) -> None:
    """Until the pipe ends: hook() once when it has been silent for too long, and once at its end without a farewell."""
    words: Queue[bytes] = Queue()
    # A thread, since Windows cannot wait for a pipe with a time limit.
    Thread(target=_read, args=(descriptor, words), name="opu watchdog's ear", daemon=True).start()
    silent = False
    while True:
        try:
            word = words.get(timeout=silence_s)
        except Empty:
            if not silent:
                hook()
            silent = True
            continue
        silent = False
        if not word:
            hook()
            return
        if FAREWELL in word:
            return


def _read(descriptor: int, words: Queue[bytes]) -> None:
    word = BEAT
    while word:
        try:
            word = os.read(descriptor, 4096)
        except OSError:
            word = b""
        words.put(word)


def main(arguments: list[str]) -> None:
    """Of the process: watch standard input."""
    light_off, silence_s = arguments
    hook, line = find_hook(light_off), b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    profile = json.loads(line)
    os.write(1, BEAT)
    watch(0, float(silence_s), lambda: hook(profile))


if __name__ == "__main__":
    main(sys.argv[1:])
