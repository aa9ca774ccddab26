"""Light safety: dark unless told otherwise, interlock obeyed, dark when the controller dies."""

from __future__ import annotations

import subprocess
import sys
import time

from opu import Acquisition
from opu.characterization.quantity import Quantity
from opu.device import Device
from opu.errors import DeviceError, DeviceLost, OPUError

from .check import Check
from .measured import half_on
from .outcome import Limit, Outcome, failed, passed, skipped, unjudged
from .session import Session

POLL_S = 0.05
CONTROLLER = """
import sys, time, opu
from opu.device import Acquisition
from opu.config import load_config
from opu.factory import open_profile
o = open_profile(load_config(sys.argv[1], sys.argv[2]))
import numpy as np
o.device.configure(Acquisition(o.spec.exposure_min_s))
o.device.measure(np.ones((1, o.spec.n_inputs), bool))
print("lit", flush=True)
time.sleep(600)
"""


def _dark_when_opened(session: Session) -> Outcome:
    session.close()
    status = session.opu.status()
    if status.light_on is None:
        return unjudged(
            "status() cannot tell whether the light is on; a shutter sensor or the laser's own word is needed"
        )
    if status.light_on:
        return failed("lit at open", "the light is on right after open(), before anything was asked for")
    session.close()
    if session.make().device.status().light_on:
        return failed("light stays on", "the light is on after close()")
    return passed("dark after open() and after close()")


def _interlock(session: Session) -> Outcome:
    """An open interlock means no light, whatever is asked for."""
    status = session.opu.status()
    if status.interlock == "none":
        return skipped("this device reports no interlock")
    if status.interlock == "closed":
        return passed("the interlock is closed; open it by hand to see the light refused")
    try:
        session.measure(half_on(session, 2, "interlock"), Acquisition(session.spec.exposure_min_s))
    except DeviceError as error:
        return passed(f"the interlock is open and light is refused: {error}")
    except OPUError as error:
        return unjudged(f"the interlock is open, and measuring fails otherwise: {error}")
    return failed(
        "interlock ignored",
        "the interlock is open and the device lights all the same; do not use it: the interlock must cut the laser's supply",
    )


def _dead_man(session: Session) -> Outcome:
    """A controller is killed while it holds the device lit; soon the device must be free again, and dark."""
    if session.source is None or session.kind != "visa":
        return skipped(
            "needs a config file, from which another process can open the device"
            if session.kind == "visa"
            else "only a device behind `opu serve` outlives its controller; kill `opu serve` itself to see its watchdog"
        )
    session.close()
    device, limit = session.make().device, Limit("most", session.limits.dead_man_s, "s", key="dead_man_s")
    with subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, *session.source], stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout is not None
            if other.stdout.readline().strip() != "lit":
                return unjudged("the second controller could not open the device", limit=limit)
            if _taken(device):
                device.close()
                return unjudged("the second controller did not hold the device", limit=limit)
        finally:
            other.kill()
    start = time.monotonic()
    while not _taken(device):
        if time.monotonic() - start > 2 * limit.value:
            return failed(
                "dead-man does not work",
                f"{2 * limit.value:g} s after its controller was killed the device is still held; do not leave it alone: the "
                "light may be on",
                limit=limit,
            )
        time.sleep(POLL_S)
    seconds = time.monotonic() - start
    figure = Quantity(seconds, POLL_S, "s")
    lit = device.status().light_on
    device.close()
    if lit or seconds > limit.value:
        return failed(
            "dead-man does not work",
            f"free {figure} after its controller was killed, accepted is {limit}"
            + ("; and its light is on" if lit else ""),
            figure=figure,
            limit=limit,
        )
    return passed(f"free and dark {figure} after its controller was killed", figure=figure, limit=limit)


def _taken(device: Device) -> bool:
    """Whether it could be opened."""
    try:
        device.open()
    except DeviceLost:
        raise
    except DeviceError:
        return False
    return True


CHECKS = (
    Check(
        "safety.dark_when_opened",
        "no light at open and after close",
        _dark_when_opened,
        light=False,
        faults=("lit at open", "light stays on"),
        headline="",
    ),
    Check("safety.interlock", "an open interlock is obeyed", _interlock, faults=("interlock ignored",)),
    Check(
        "safety.dead_man",
        "free and dark soon after the controller dies",
        _dead_man,
        level="standard",
        test="one SIGKILL",
        faults=("dead-man does not work",),
    ),
)
