"""Light safety: dark unless told otherwise, interlock obeyed, dark when the controller dies."""

from __future__ import annotations

import subprocess
import sys
import time

from opu import Acquisition
from opu.errors import DeviceError, OPUError

from .check import Check
from .measured import half_on
from .outcome import Limit, Outcome, failed, passed, skipped, unjudged
from .session import Session

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
    """A controller is killed while the light is on; the device must say soon that it is dark."""
    if session.source is None:
        return skipped("needs a config file, from which another process can open the device")
    if session.spec.kind != "visa":
        return skipped("only a device behind `opu serve` can be watched from outside while its controller dies")
    session.close()
    command = [sys.executable, "-c", CONTROLLER, *session.source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as controller:
        assert controller.stdout is not None
        if controller.stdout.readline().strip() != "lit":
            controller.kill()
            return unjudged("the second controller could not open the device")
        watched = session.make().device
        before = watched.status().light_on
        controller.kill()
        start = time.monotonic()
        while watched.status().light_on and time.monotonic() - start < 2 * session.limits.dead_man_s:
            time.sleep(0.05)
        seconds = time.monotonic() - start
    limit = Limit("most", session.limits.dead_man_s, "s", key="dead_man_s")
    if not before:
        return unjudged("the light was not on before the controller was killed", limit=limit)
    if seconds > session.limits.dead_man_s:
        return failed(
            "dead-man does not work", f"{seconds:.1f} s after its controller died the light is on", limit=limit
        )
    return passed(f"dark {seconds:.2g} s after its controller was killed", limit=limit)


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
        "dark soon after the controller dies",
        _dead_man,
        level="standard",
        test="one SIGKILL",
        faults=("dead-man does not work",),
    ),
)
