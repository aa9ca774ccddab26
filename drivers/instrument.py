"""The device behind the table: opened and closed with the lease, dark whenever nobody answers for its light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from threading import Event, RLock, Thread
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, Device, DeviceStatus
from opu.errors import DeviceError, InputError
from opu.frames import packed_width

from .lease import Lease, Link
from .limits import Limits
from .messages import Rows
from .records import record_text
from .scpi_errors import INPUT, INTERLOCK, ScpiError
from .show_queue import NotNow, Packed, ShowQueue

STATUS_WAIT_S = 0.02
COMPLETION_WAIT_S = 60.0
STUCK_SHARE = 0.25
"""Of the dead-man time: what a call of the device may take longer than that before the device is closed from outside it."""


class Instrument:
    """A device served: one lock around it, one thread that shows frames, one that watches for silence.

    Every public method may be called from any thread. Errors of the device come as they are; others are ScpiError.
    """

    def __init__(self, device: Device, limits: Limits | None = None, *, clock: Callable[[], float] = monotonic) -> None:
        self.device = device
        spec = device.spec
        wanted = limits or Limits()
        frame_bytes = spec.n_outputs * spec.reading_dtype.itemsize
        # 16 frames must fit, so that a whole cycle of a reference arm's phases does.
        self.limits = replace(
            wanted,
            block_bytes=max(wanted.block_bytes, 16 * packed_width(spec.n_inputs)),
            reply_bytes=max(wanted.reply_bytes, 16 * frame_bytes),
        )
        self.spec_json = record_text(spec)
        self.lease = Lease(self.limits.dead_man_s, clock)
        self.queue = ShowQueue(self._show, self.limits.keep_bytes)
        self.started_s, self._clock = clock(), clock
        self.blanked = 0
        self._state, self._using = RLock(), RLock()
        self._asked: Acquisition | None = None
        self._lit_with: Acquisition | None = None
        """What to light the device with again, after the light went off on its own account."""
        self._configured: Acquisition | None = None
        self._shown_since = False
        self._orphaned = False
        self._last_status = device.status()
        self._stop = Event()
        self._watch = Thread(target=self._watch_silence, name="opu dead man", daemon=True)
        self._watch.start()

    def heard(self, link: Link) -> None:
        """A message came: if it is the controller's, light is allowed."""
        if link is self.lease.link:
            self.lease.heard(link)
            self._orphaned = False

    # The lease

    def take(self, session: str, link: Link) -> str:
        """Open the device for a session; it stays dark until configured."""
        with self._state:
            self.lease.check_free(session)
            if session == self.lease.session:
                return self.resume(session, link)
            self._shut()
            with self._using:
                self.queue.reset()
                self.device.open()
            self.lease.give(session, link)
            self._orphaned = False
            return "NEW"

    def resume(self, session: str, link: Link) -> str:
        """Hold on over another link: numbers, readings and acquisition are those from before. The old link is cut.

        What still arrives on that one is late, and a network that lost it silently would leave it open for long.
        """
        with self._state:
            self.lease.check_session(session)
            before = self.lease.link
            self.lease.give(session, link)
            self._orphaned = False
        if before is not None and before is not link:
            before.cut()
        return "RESUMED"

    def release(self, session: str) -> None:
        """Close the device if this session holds it; a repeated release changes nothing."""
        with self._state:
            if session == self.lease.session:
                self._shut()

    def drop(self, link: Link) -> None:
        """A link is lost: if it was the controller's, nothing more is shown and the light goes off; the session may resume."""
        with self._state:
            if link is self.lease.link:
                self._orphaned = True
                self.queue.purge()
        self._dim_orphan()

    def _shut(self) -> None:
        self.queue.purge()
        with self._using:
            self.device.close()
            self.queue.reset()
            self._asked = self._configured = self._lit_with = None
            self._last_status = self.device.status()
        self._free()

    def _free(self) -> None:
        self.lease.free()
        self._orphaned = False

    # What the controller asks for

    def configure(self, wanted: Acquisition) -> Acquisition:
        """Set the acquisition; the same one again, with nothing shown since, is answered from memory."""
        self.complete()
        with self._using:
            if wanted == self._asked and self._configured is not None and not self._shown_since and not self._lit_with:
                return self._configured
            if wanted.light:
                self._check_interlock()
            self._configured = self.device.configure(wanted)
            self._asked, self._shown_since, self._lit_with = wanted, False, None
            self._look()
            return self._configured

    def complete(self) -> None:
        """Wait until every block accepted has been shown; ScpiError if that takes more than a minute."""
        if not self.queue.drain(COMPLETION_WAIT_S):
            raise ScpiError(-200, f"blocks are still being shown after {COMPLETION_WAIT_S:g} s; ask again")

    def reset(self) -> None:
        """*RST: dark, and nothing is shown before the next configuration."""
        self.queue.purge()
        with self._using:
            self._go_dark()
            self._asked = self._configured = self._lit_with = None

    def show(self, block: Rows) -> bool:
        """Queue a block of packed frames; False if it was shown before. Refused before anything is lit."""
        spec = self.device.spec
        frames = block.rows
        if not len(frames) or frames.shape[1] != packed_width(spec.n_inputs):
            raise ScpiError(
                INPUT,
                f"a block of {len(frames)} frames of {frames.shape[1]} bytes; a frame of {spec.n_inputs} inputs has "
                f"{packed_width(spec.n_inputs)} bytes, and a block at least 1 frame",
            )
        size = len(frames) * spec.n_outputs * spec.reading_dtype.itemsize
        if size > self.limits.reply_bytes:
            raise ScpiError(
                -223, f"{len(frames)} frames give {size} bytes of readings; {self.limits.reply_bytes} is the limit"
            )
        return self.queue.accept(block)

    def _show(self, frames: Packed) -> NDArray[Any]:
        """On the queue's thread: light again if need be, then measure; any failure leaves the light off."""
        with self._using:
            if self._orphaned:
                raise NotNow
            if self._configured is None:
                raise DeviceError(f"device {self.device.spec.serial!r}: configure() an exposure before measure()")
            try:
                self._check_interlock()
                if self._lit_with is not None:
                    self._configured, self._lit_with = self.device.configure(self._lit_with), None
                self._shown_since = True
                readings = self.device.measure(frames)
            except InputError:
                raise  # nothing was shown
            except Exception:
                self._go_dark()
                raise
            finally:
                self._look()
            if self._orphaned:
                self._go_dark()
            spec = self.device.spec
            if readings.shape != (len(frames), spec.n_outputs) or readings.dtype != spec.reading_dtype:
                raise DeviceError(
                    f"device {spec.serial!r} returned readings {readings.dtype}{readings.shape} for {len(frames)} frames"
                )
            return np.ascontiguousarray(readings)

    # Light

    def light_off(self) -> None:
        """Now; blocks that wait are forgotten."""
        self.queue.purge()
        with self._using:
            self._go_dark()

    def shutdown(self, patience_s: float = 0.1) -> None:
        """Light off and device closed, even if it is in the middle of something."""
        self._stop.set()
        self.queue.stop()
        patient = self._using.acquire(timeout=patience_s)
        try:
            self.device.close()
        finally:
            if patient:
                self._using.release()
            self.lease.free()

    @property
    def lit(self) -> bool:
        """Whether the device was last told to light."""
        return self._configured is not None and self._configured.light and self._lit_with is None

    def status(self) -> DeviceStatus:
        """The device's own, as it was before the block being shown while one is.

        Its acquisition is the controller's, also while the light is off because the link was lost: light_on tells.
        """
        if self._using.acquire(timeout=STATUS_WAIT_S):
            try:
                self._look()
            finally:
                self._using.release()
        return self._last_status

    def _look(self) -> None:
        status = self.device.status()
        self._last_status = status if self._lit_with is None else replace(status, acquisition=self._configured)

    def health(self) -> dict[str, Any]:
        """What SYSTem:HEALth? says of the server."""
        status = self.status()
        return {
            "uptime_s": round(self._clock() - self.started_s, 3),
            "controlled": self.lease.held and not self._orphaned,
            "silence_s": round(self.lease.silence_s, 3) if self.lease.held else None,
            "light_on": status.light_on,
            "interlock": status.interlock,
            "times_blanked": self.blanked,
            "next_sequence": self.queue.next_sequence,
            "kept_bytes": self.queue.kept_bytes,
            "blocks": asdict(self.queue.counts),
        }

    def _check_interlock(self) -> None:
        if self.device.status().interlock == "open":
            raise ScpiError(
                INTERLOCK, f"device {self.device.spec.serial!r}: the interlock is open; close it, then try again"
            )

    def _go_dark(self) -> None:
        """Light off now (the device is ours). The acquisition is kept, for the controller's next block."""
        acquisition = self.device.status().acquisition
        if acquisition is None or not acquisition.light:
            return
        self.blanked += 1
        if self.device.spec.can_blank:
            self._lit_with = self._lit_with or acquisition
            self.device.configure(replace(acquisition, light=False))
        else:
            self._shut()
        self._look()

    def _dim_orphan(self, patience_s: float = 0.0) -> None:
        """Go dark for a controller that is gone, unless the device is busy: then its thread does, after its block."""
        if self._orphaned and self._using.acquire(timeout=patience_s):
            try:
                if self._orphaned:
                    self._go_dark()
            finally:
                self._using.release()

    def _close_stuck(self) -> None:
        """The device has been in one call for longer than silence is allowed: dark comes before what becomes of the call."""
        self.device.close()
        self._asked = self._configured = self._lit_with = None
        self._free()
        self.blanked += 1

    def _watch_silence(self) -> None:
        """Every twentieth of the dead-man time: no word from the controller, no light.

        Takes no lock that a thread may hold while it waits for the device.
        """
        step_s = self.limits.dead_man_s / 20
        while not self._stop.wait(step_s):
            if self.lease.silent and not self._orphaned:
                self._orphaned = True
                self.queue.purge()
            if not self._orphaned:
                continue
            self._dim_orphan(STUCK_SHARE * self.limits.dead_man_s)
            if self.lit and self.lease.silent:
                self._close_stuck()
            if self.lease.held and self.lease.silence_s > self.limits.idle_s:
                self.release(self.lease.session)
