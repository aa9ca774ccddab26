"""The laws that every modulator, camera and laser of a bench obeys, for the tests of your own driver.

from opu.testing.part_laws import check_camera
assert check_camera(lambda: MyCamera("12345")) == {}

Each makes a closed part, several times the same one. Lasers are lit, for moments: mind the beam.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np

from opu.errors import DeviceClosed, DeviceError
from opu.parts import Camera, CameraSettings, Laser, Modulator, Region
from opu.testing.laws import LawBroken, demand, refuses


class _Part(Protocol):
    def open(self) -> None: ...

    def close(self) -> None: ...

    def status(self) -> Any: ...


P = TypeVar("P", bound=_Part)
FRAMES = 4
PATIENCE_S = 5.0


def check_modulator(make: Callable[[], Modulator]) -> dict[str, str]:
    """Every law broken and why; empty if it keeps them. Shows a few patterns."""
    return _broken(make, {"opens and closes": _opens_and_closes, "shows patterns": _shows_patterns})


def check_camera(make: Callable[[], Camera]) -> dict[str, str]:
    """Every law broken and why; empty if it keeps them. Takes a few frames by software trigger."""
    return _broken(
        make,
        {
            "opens and closes": _opens_and_closes,
            "refuses what it cannot": _refuses_settings,
            "numbers its frames": _numbers_frames,
            "forgets at stop": _forgets_at_stop,
        },
    )


def check_laser(make: Callable[[], Laser]) -> dict[str, str]:
    """Every law broken and why; empty if it keeps them. Turns the light on."""
    return _broken(make, {"opens and closes": _opens_and_closes, "is dark unless on": _dark_unless_on})


def _broken(make: Callable[[], P], laws: dict[str, Callable[[Callable[[], P]], None]]) -> dict[str, str]:
    broken = {}
    for name, law in laws.items():
        try:
            law(make)
        except LawBroken as error:
            broken[name] = str(error)
    return broken


def _opens_and_closes(make: Callable[[], _Part]) -> None:
    """open() once, close() any number of times and in any state, status() always, and open again."""
    part = make()
    demand(not part.status().is_open, "status says open before open()")
    part.close()
    for _ in range(2):
        part.open()
        try:
            demand(part.status().is_open, "status says closed after open()")
            refuses(part.open, DeviceError, "a second open()")
            demand(part.status().is_open, "a refused second open() closes it")
        finally:
            part.close()
        part.close()
        demand(not part.status().is_open, "status says open after close()")


def _shows_patterns(make: Callable[[], Modulator]) -> None:
    """Patterns load, show one by one, run on the clock to the end, and stop; not when closed, not faster than it can."""
    modulator = make()
    modulator.open()
    try:
        spec = modulator.spec
        demand(spec.rows >= 1 and spec.columns >= 1 and spec.max_patterns >= 1, f"impossible spec: {spec}")
        demand(spec.frame_time_min_s > 0, f"frame_time_min_s = {spec.frame_time_min_s}")
        n = min(FRAMES, spec.max_patterns)
        patterns = np.zeros((n, spec.rows, -(-spec.columns // 8)), np.uint8)
        patterns[:, :, 0] = 0x80
        modulator.load(patterns)
        for index in range(n):
            modulator.show(index)
        modulator.stop()
        modulator.load(patterns)
        frame_time_s = max(spec.frame_time_min_s, 1e-3)
        refuses(lambda: modulator.start(spec.frame_time_min_s / 2), DeviceError, "a frame time below the shortest")
        modulator.start(frame_time_s)
        modulator.wait(PATIENCE_S)
        shown = modulator.status().frames
        demand(shown in (None, n), f"{n} patterns ran, and status().frames = {shown}")
        modulator.stop()
        modulator.stop()
    finally:
        modulator.close()
    refuses(lambda: modulator.show(0), DeviceClosed, "show() after close()")
    refuses(lambda: modulator.load(patterns), DeviceClosed, "load() after close()")


def _region(camera: Camera) -> Region:
    spec = camera.spec
    down, across = spec.step
    return Region(0, 0, max(1, 32 // down) * down, max(1, 64 // across) * across)


def _settings(camera: Camera) -> CameraSettings:
    spec = camera.spec
    return CameraSettings(_region(camera), min(max(1e-3, spec.exposure_min_s), spec.exposure_max_s))


def _refuses_settings(make: Callable[[], Camera]) -> None:
    """Exposures and regions that it cannot: DeviceError, and what was in force still works."""
    camera = make()
    camera.open()
    try:
        spec, good = camera.spec, _settings(camera)
        demand(0 < spec.exposure_min_s <= spec.exposure_max_s, f"exposure limits of {spec}")
        set_ = camera.configure(good)
        demand(set_.region == good.region, f"asked for {good.region}, which its spec allows, and got {set_.region}")
        for exposure_s in (spec.exposure_min_s / 2, spec.exposure_max_s * 2):
            wrong = CameraSettings(good.region, exposure_s)
            refuses(lambda wrong=wrong: camera.configure(wrong), DeviceError, f"exposure_s = {exposure_s}")  # type: ignore[misc]
        large = CameraSettings(Region(0, 0, spec.rows + spec.step[0], spec.columns), good.exposure_s)
        refuses(lambda: camera.configure(large), DeviceError, "a region beyond the sensor")
        camera.configure(good)
    finally:
        camera.close()
    refuses(lambda: camera.configure(good), DeviceClosed, "configure() after close()")


def _numbers_frames(make: Callable[[], Camera]) -> None:
    """n triggers give complete frames 0 to n - 1 of the region and type; no trigger, no frame; start() counts from 0 again."""
    camera = make()
    camera.open()
    try:
        spec = camera.spec
        region = camera.configure(_settings(camera)).region
        for _ in range(2):
            camera.start()
            for number in range(FRAMES):
                camera.trigger()
                frame = camera.grab(PATIENCE_S)
                demand(frame.number == number, f"frame {frame.number} at trigger {number}")
                demand(frame.complete, f"frame {number} is incomplete; is something wrong with the link?")
                shape, dtype = frame.pixels.shape, np.uint8 if spec.bit_depth <= 8 else np.uint16
                demand(shape == (region.rows, region.columns), f"pixels of shape {shape} in {region}")
                demand(frame.pixels.dtype == dtype, f"pixels of {frame.pixels.dtype} at {spec.bit_depth} bits")
                demand(int(frame.pixels.max()) < 2**spec.bit_depth, f"a pixel above {spec.bit_depth} bits")
            refuses(lambda: camera.grab(0.05), DeviceError, "grab() without a trigger")
            camera.stop()
            camera.stop()
    finally:
        camera.close()
    refuses(camera.start, DeviceClosed, "start() after close()")


def _forgets_at_stop(make: Callable[[], Camera]) -> None:
    """A frame that was not grabbed before stop() does not come after the next start()."""
    camera = make()
    camera.open()
    try:
        camera.configure(_settings(camera))
        camera.start()
        camera.trigger()
        camera.stop()
        camera.start()
        refuses(lambda: camera.grab(0.05), DeviceError, "grab() of a frame from before stop()")
        camera.trigger()
        frame = camera.grab(PATIENCE_S)
        demand(frame.number == 0, f"the first frame after start() has number {frame.number}")
        camera.stop()
    finally:
        camera.close()


def _dark_unless_on(make: Callable[[], Laser]) -> None:
    """Dark after open(), set_power(), off() and close(), lit after on(); a power beyond the largest is refused."""
    laser = make()
    laser.open()
    try:
        most_w = laser.spec.power_max_w
        demand(most_w > 0, f"power_max_w = {most_w}")
        demand(laser.status().light_on is not True, "lit by open()")
        refuses(lambda: laser.set_power(2 * most_w), DeviceError, "twice the largest power")
        demand(laser.status().light_on is not True, "lit by set_power()")
        for _ in range(2):
            laser.on()
            demand(laser.status().light_on is not False, "dark after on()")
            demand(not laser.status().fault, f"fault after on(): {laser.status().fault}")
            laser.off()
            laser.off()
            demand(laser.status().light_on is not True, "lit after off()")
        laser.on()
    finally:
        laser.close()
    laser.open()
    try:
        demand(laser.status().light_on is not True, "lit after close() and open()")
    finally:
        laser.close()
    refuses(laser.on, DeviceClosed, "on() after close()")
