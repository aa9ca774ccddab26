"""The device kind `visa`: an OPU behind an appliance, which reads as it does in process, to the bit."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from math import isfinite
from secrets import token_hex
from threading import Event, RLock, Thread
from time import monotonic, sleep
from typing import Any, TypeVar
from weakref import ref

import numpy as np

from opu.device import Acquisition, DeviceSpec, DeviceStatus, Frames, Readings
from opu.errors import DeviceClosed, DeviceError, DeviceLost, InputError, OPUError
from opu.frames import checked_packed

from .access import read_token
from .pipeline import measure_blocks
from .records import parse_acquisition, parse_spec, parse_status
from .scpi_errors import CHECKSUM, GAP, NO_LEASE, ScpiError, raised
from .session import Session
from .transport import Foreign, LinkError
from .visa_settings import VisaSettings

log = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_DELAY_S, LONGEST_DELAY_S = 0.02, 1.0
STATUS_RETRY_S = 1.0
OPEN_RETRY_S = 2.0
"""How long open(), spec and close() try: a wrong address is told soon, a single lost packet does no harm."""


class VisaDevice:
    """Frames go out and readings come back in numbered, checked blocks; a lost link is taken up again where it broke.

    `status().message` tells of lost links. DeviceLost: the server cannot be reached or has forgotten this session;
    DeviceError: another device answers at the address.
    """

    def __init__(self, settings: VisaSettings) -> None:
        self.settings = settings
        self._session = Session(settings, read_token(settings.token_env, settings.token_file))
        self._lock, self._measuring = RLock(), RLock()
        self._spec: DeviceSpec | None = None
        self._limits: dict[str, Any] = {}
        self._key = ""
        self._acquisition: Acquisition | None = None
        self._status = DeviceStatus(is_open=False, light_on=False)
        self._sequence, self._used_s = 1, 0.0
        self._losses, self._damaged, self._trouble = 0, 0, ""
        self._closing = Event()

    @property
    def spec(self) -> DeviceSpec:
        """That of the device served; the first use connects."""
        if self._spec is None:
            with self._lock:
                try:
                    self._patiently(self._connect, OPEN_RETRY_S)
                finally:
                    self._session.close()
        assert self._spec is not None
        return self._spec

    def open(self) -> None:
        """Take the lease; the device opens dark. DeviceError while another client holds it."""
        with self._lock:
            if self._key:
                raise DeviceError(f"{self._name} is already open; close() it first")
            key = token_hex(16)

            def take() -> str:
                self._connect()
                return self._session.ask("take", key)

            try:
                self._patiently(take, OPEN_RETRY_S)
            except BaseException:
                self._session.close()
                raise
            self._key, self._acquisition, self._sequence = key, None, 1
            self._losses, self._damaged, self._trouble = 0, 0, ""
            self._closing = Event()
            Thread(
                target=_beat, args=(ref(self), self._closing, self._beat_s), name="opu heartbeat", daemon=True
            ).start()

    def close(self) -> None:
        """Light off, lease given back; idempotent. Should the server be out of reach, its own dead-man timer does it."""
        self._closing.set()
        with self._lock:
            if self._key:
                with suppress(OPUError):
                    self._patiently(self._give_back, min(self.settings.reconnect_s, OPEN_RETRY_S))
            self._forget()

    def configure(self, acquisition: Acquisition) -> Acquisition:
        """Set and return what was really set; DeviceError outside the limits."""
        self._check_open("configure")
        low, high = self.spec.exposure_min_s, self.spec.exposure_max_s
        if not low <= acquisition.exposure_s <= high:
            raise DeviceError(
                f"{self._name}: exposure_s = {acquisition.exposure_s:g} s is outside the camera's {low:g} to {high:g} s; "
                "choose one inside"
            )
        numbers = [
            *acquisition.reference_rad,
            *([] if acquisition.frame_time_s is None else [acquisition.frame_time_s]),
        ]
        if not all(map(isfinite, numbers)):
            raise DeviceError(f"{self._name}: {acquisition}: frame_time_s and reference_rad must be finite numbers")
        asked = (acquisition.exposure_s, acquisition.frame_time_s, acquisition.light, *acquisition.reference_rad)
        words = tuple(float(value) if isinstance(value, np.floating) else value for value in asked)
        reply = self._ask(lambda: self._session.ask("configure", *words))
        self._acquisition = parse_acquisition(reply)
        self._status = replace(self._status, acquisition=self._acquisition)  # known, should status() not get through
        return self._acquisition

    def measure(self, frames: Frames) -> Readings:
        """Show frames, bool[n, n_inputs] or packed, and read the camera: DN, (n, n_outputs)."""
        self._check_open("measure")
        if self._acquisition is None:
            raise DeviceError(f"{self._name}: configure() an exposure before measure()")
        packed = np.ascontiguousarray(checked_packed(frames, self.spec.n_inputs))
        steps = max(1, len(self._acquisition.reference_rad))
        if len(packed) % steps:
            raise InputError(
                f"{len(packed)} frames under {steps} phases of the reference arm: their number must be a multiple of {steps}"
            )
        with self._measuring:
            try:
                readings, self._sequence = measure_blocks(
                    packed, self.spec, self._acquisition, self._block_bytes, self._sequence, self._session, self._ask
                )
                return readings
            except BaseException:
                self._sequence = 0  # how many blocks were taken is asked when it matters
                raise

    def status(self) -> DeviceStatus:
        """State now; never raises. Its message tells whether the link is up and how often it was lost."""
        with self._lock:
            if self._key:
                try:
                    self._status = parse_status(self._patiently(self._attached_status, STATUS_RETRY_S))
                    self._used_s = monotonic()
                except Exception as error:
                    self._lose(error)
            notes = [self._status.message, self._link_note()]
            return replace(self._status, message="; ".join(filter(None, notes)))

    # The link

    @property
    def _name(self) -> str:
        return f"device {self.settings.resource}" + (f" ({self._spec.serial!r})" if self._spec else "")

    @property
    def _block_bytes(self) -> int:
        # Two blocks may share a message.
        return int(min(self.settings.block_bytes, self._limits["block_bytes"] // 2, self._limits["reply_bytes"]))

    @property
    def _beat_s(self) -> float:
        return self.settings.heartbeat_s or self._limits["dead_man_s"] / 3

    def _link_note(self) -> str:
        damaged = f"{self._damaged} messages arrived damaged and were sent again" if self._damaged else ""
        if not self._losses:
            return damaged
        times = f"link lost {self._losses} times" if self._losses > 1 else "link lost once"
        now = "up again" if self._session.is_open or not self._key else "down, tried again at the next call"
        return "; ".join(filter(None, [f"{times}, {now}", f"last: {self._trouble}", damaged]))

    def _connect(self) -> None:
        """A fresh link to the device that this was before."""
        self._session.open()
        spec = parse_spec(self._session.ask_block("specification"))
        self._limits = json.loads(self._session.ask_block("limits"))
        if self._spec is not None and spec != self._spec:
            other = [
                f"{field.name} {getattr(self._spec, field.name)!r} before, {getattr(spec, field.name)!r} now"
                for field in fields(spec)
                if getattr(spec, field.name) != getattr(self._spec, field.name)
            ]
            self._forget()
            raise DeviceError(
                f"{self.settings.resource} is another device than before: {'; '.join(other)}. "
                "Make a new device for it, and calibrate"
            )
        self._spec = spec

    def _attach(self) -> None:
        """The link as it is, or a new one that goes on where the old one broke."""
        if self._session.is_open:
            return
        self._connect()
        self._session.ask("resume", self._key)

    def _give_back(self) -> None:
        """The last status and the lease, over a fresh link if need be; giving it back twice does no harm."""
        if not self._session.is_open:
            self._session.open()
        status = parse_status(self._session.ask_block("status"))
        if status.is_open:
            self._status = status
        self._session.ask("release", self._key)

    def _attached_status(self) -> bytes:
        self._attach()
        return self._session.ask_block("status")

    def _ask(self, action: Callable[[], T]) -> T:
        """Do it over the link, over new ones if need be; typed errors."""

        def attached() -> T:
            self._attach()
            try:
                return action()
            except ScpiError as error:
                if error.code != NO_LEASE:
                    raise
                # A message of this session that was late took the lease to its own link: whether it still holds is asked.
                raise LinkError(error.text) from None

        with self._lock:
            self._check_open("be used")
            result = self._patiently(attached, self.settings.reconnect_s)
            self._used_s = monotonic()
            return result

    def _patiently(self, action: Callable[[], T], patience_s: float) -> T:
        """Repeat what fails by the link's fault, ever more slowly, for so long and at least once; DeviceLost then."""
        until_s, delay_s, tries = monotonic() + patience_s, FIRST_DELAY_S, 0
        while True:
            tries += 1
            try:
                return action()
            except LinkError as error:
                self._lose(error)
                if monotonic() + delay_s > until_s and tries > 1:
                    if isinstance(error, Foreign):
                        raise DeviceError(str(error)) from None
                    raise DeviceLost(
                        f"{self._name} does not answer: {error}; tried again for {patience_s:g} s. Is `opu serve` running "
                        "there, and does its allow-list hold this machine?"
                    ) from None
            except ScpiError as error:
                if error.code not in (CHECKSUM, GAP) or monotonic() > until_s:
                    if error.code == NO_LEASE:
                        self._forget()
                    raise raised(error, self._name) from None
                self._damaged += error.code == CHECKSUM
            sleep(delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    def _lose(self, error: Exception) -> None:
        if isinstance(error, ScpiError) and error.code == NO_LEASE:
            self._forget()
        elif isinstance(error, LinkError):
            self._losses += 1
        self._trouble = str(error) if not isinstance(error, ScpiError) else error.text
        self._session.close()
        self._status = replace(self._status, light_on=None if self._key else False)
        log.info("%s: %s", self._name, self._trouble)

    def _forget(self) -> None:
        """Closed, from here on."""
        self._closing.set()
        self._session.close()
        self._key, self._acquisition = "", None
        self._status = replace(self._status, is_open=False, light_on=False, acquisition=None)

    def _check_open(self, action: str) -> None:
        if not self._key:
            raise DeviceClosed(f"{self._name} is not open, so it cannot {action}; use `with`, or call open() first")

    def _beat(self) -> None:
        """Tell the server that somebody is there, unless a call is telling it."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._key and monotonic() - self._used_s > self._beat_s / 2:
                self._attach()
                self._session.ask("lease")
        except Exception as error:
            self._lose(error)
        finally:
            self._lock.release()


def _beat(device: ref[VisaDevice], closing: Event, every_s: float) -> None:
    """Keeps the lease alive between calls, for as long as somebody holds the device."""
    while not closing.wait(every_s):
        alive = device()
        if alive is None:
            return
        alive._beat()
        del alive
