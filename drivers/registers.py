"""Error queue and status registers of one link (IEEE 488.2, 11; SCPI-99 volume 1, 20)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from .scpi_errors import NO_ERROR, ScpiError

QUEUE_LENGTH = 32
ERRORS_QUEUED, MESSAGE_WAITING, EVENTS, SERVICE = 4, 16, 32, 64


@dataclass
class Registers:
    """events: the standard event status register; masks: which of its bits and of the status byte's are passed on."""

    events: int = 128  # power on
    event_mask: int = 0
    service_mask: int = 0
    errors: deque[ScpiError] = field(default_factory=deque)

    def add(self, error: ScpiError) -> None:
        """Queue an error and set its class's event; a full queue ends in "Queue overflow"."""
        if len(self.errors) < QUEUE_LENGTH:
            self.errors.append(error)
        else:
            self.errors[-1] = ScpiError(-350)
        self.events |= _event(error.code)

    def next_error(self) -> ScpiError:
        """The oldest error, taken out; NO_ERROR when there is none."""
        return self.errors.popleft() if self.errors else NO_ERROR

    def take_events(self) -> int:
        """The event register, which reading empties."""
        events, self.events = self.events, 0
        return events

    def clear(self) -> None:
        """*CLS."""
        self.errors.clear()
        self.events = 0

    @property
    def status_byte(self) -> int:
        """What *STB? and a serial poll answer."""
        byte = ERRORS_QUEUED * bool(self.errors) | EVENTS * bool(self.events & self.event_mask)
        return byte | SERVICE * bool(byte & self.service_mask)


def _event(code: int) -> int:
    if code > 0 or -400 < code <= -300:
        return 8
    return {1: 32, 2: 16, 4: 4}.get(-code // 100, 0)
