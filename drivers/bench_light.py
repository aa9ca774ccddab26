"""The laser of a bench: when it is lit, how warm it is, and that it goes dark whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from weakref import finalize

from opu.errors import DeviceError, DeviceLost, OPUError
from opu.parts import Laser, LaserSpec, LaserStatus


class Light:
    """The laser, used from any thread; `laser` None: its light is not ours.

    Warmth: a second of light warms by a second, up to warm_up_s, and a second of darkness cools by one.
    """

    def __init__(
        self,
        laser: Laser | None,
        warm_up_s: float,
        settle_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.laser, self.warm_up_s, self.settle_s = laser, warm_up_s, settle_s
        self.missing_s = warm_up_s
        """Warm-up still to come."""
        self.is_lit = self.is_open = False
        self._lock = RLock()
        self._clock, self._sleep = clock, sleep
        self._since_s = 0.0
        self._finalizer: finalize[[Laser], Light] | None = None

    def open(self) -> LaserSpec | None:
        """Take the laser, dark; from now on it is turned off even if this object is forgotten, or the interpreter ends."""
        if self.laser is None:
            return None
        self._finalizer = finalize(self, _darken, self.laser)
        self.is_open = True
        self.laser.open()
        self.missing_s, self._since_s, self.is_lit = self.warm_up_s, self._clock(), False
        return self.laser.spec

    def on(self, wait: Callable[[str], object]) -> None:
        """Lit and warm. `wait` is called, with what is going on, at least every 0.1 s while it warms up; it may raise."""
        if self.laser is None or (self.is_lit and self.missing_s == 0):
            return
        if not self.is_lit:
            with self._lock:
                wait("")  # not after close()
                self._pass()
                self.is_lit = True
                self.laser.on()
            self.missing_s = max(self.missing_s, self.settle_s)
        self._pass()
        while self.missing_s > 0:
            wait(f"laser warming up, {self.missing_s:.1f} of {max(self.warm_up_s, self.settle_s):g} s to go")
            self._sleep(min(0.1, self.missing_s))
            self._pass()
        wait("")

    def off(self) -> None:
        """Dark; raises what the laser raises, having tried. Nothing on a closed one."""
        if self.laser is None or not self.is_open:
            return
        with self._lock:
            self._pass()
            self.laser.off()
            self.is_lit = False

    def check(self) -> None:
        """DeviceError if the laser is not as it was switched, or says that something is wrong."""
        if self.laser is None:
            return
        status, what = self.status(), ""
        if status.light_on and not self.is_lit:
            what = "it is lit although it was switched off; look at its front panel"
        elif self.is_lit and status.interlock == "open":
            what = "its interlock is open; close it (door, key, connector), then measure again"
        elif self.is_lit and status.fault:
            what = f"it reports {status.fault}; mend that, then measure again"
        elif self.is_lit and status.light_on is False:
            what = "it is dark although it was switched on: interlock, key, or somebody at its front panel?"
        if what:
            raise DeviceError(f"laser {self.name}: {what}. Nothing of this batch was kept")

    def status(self) -> LaserStatus:
        """The laser's own."""
        assert self.laser is not None
        with self._lock:
            return self.laser.status()

    def close(self) -> None:
        """Dark and released; every step is tried, and the first error raised."""
        if self.laser is None:
            return
        trouble: OPUError | None = None
        for step in (self.off, self.laser.close):
            try:
                step()
            except OPUError as error:
                trouble = trouble or error
        self.is_open = self.is_lit = False
        if trouble is None:
            if self._finalizer is not None:
                self._finalizer.detach()
            return
        raise DeviceLost(
            f"laser {self.name} may still be lit: {trouble}. Turn it off at its key, then close() and open() the bench"
        ) from trouble

    @property
    def name(self) -> str:
        """For messages; works closed."""
        try:
            assert self.laser is not None
            return f"{self.laser.spec.model} {self.laser.spec.serial!r}"
        except (OPUError, AssertionError, AttributeError):
            return type(self.laser).__name__

    def _pass(self) -> None:
        now_s = self._clock()
        spent_s, self._since_s = now_s - self._since_s, now_s
        self.missing_s += -spent_s if self.is_lit else spent_s
        self.missing_s = min(max(self.missing_s, 0.0), max(self.warm_up_s, self.settle_s if self.is_lit else 0.0))


def _darken(laser: Laser) -> None:
    """At the end of the object or of the interpreter: off, then closed, whatever fails."""
    try:
        laser.off()
    finally:
        laser.close()
