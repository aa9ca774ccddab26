"""The contract of `opu.device.Device`. Each law is a function of a Subject that raises LawBroken, naming what it saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from opu.device import Acquisition, Device
from opu.errors import DeviceClosed, DeviceError, InputError
from opu.frames import pack, packed_width
from opu.processor import OPU
from opu.testing.subject import Subject, exposed, random_frames, similarity

Law = Callable[[Subject], None]


class LawBroken(AssertionError):
    """A device does not keep the contract."""


def demand(condition: bool, message: str) -> None:
    """LawBroken, with the message, unless the condition holds."""
    if not condition:
        raise LawBroken(message)


def refuses(action: Callable[[], Any], error: type[Exception], what: str) -> None:
    """LawBroken unless the action raises that error, and explains itself."""
    try:
        action()
    except error as caught:
        demand(len(str(caught)) > 20, f"{what} is refused without an explanation: {caught!r}")
        return
    except Exception as caught:
        raise LawBroken(f"{what} raises {type(caught).__name__} ({caught}), not {error.__name__}") from caught
    raise LawBroken(f"{what} is accepted; it must raise {error.__name__}")


def spec_is_consistent(subject: Subject) -> None:
    """The spec is readable before open(), does not change by opening, and its numbers can be true."""
    device = subject.make()
    before = device.spec
    demand(before.n_inputs >= 1 and before.n_outputs >= 1, f"spec has no inputs or outputs: {before}")
    demand(1 <= before.bit_depth <= 16, f"bit_depth = {before.bit_depth} is not within 1 to 16")
    demand(0 < before.saturation_dn < 2**before.bit_depth, f"saturation_dn = {before.saturation_dn} is out of range")
    demand(0 < before.exposure_min_s <= before.exposure_max_s, "exposure limits are not 0 < min <= max")
    demand(before.frame_rate_hz > 0, f"frame_rate_hz = {before.frame_rate_hz}")
    anchor = before.anchor_input
    demand(anchor is None or 0 <= anchor < before.n_inputs, f"anchor_input = {anchor} is not one of the inputs")
    device.open()
    try:
        demand(device.spec == before, "spec changes when the device opens")
    finally:
        device.close()


def readings_have_shape_and_type(subject: Subject) -> None:
    """n frames in, (n, n_outputs) readings of the spec's type out, a single frame included, none above saturation."""
    with exposed(subject) as device:
        spec = device.spec
        for n in (1, 2, 5):
            readings = device.measure(random_frames(device, n))
            demand(readings.shape == (n, spec.n_outputs), f"{n} frames give shape {readings.shape}")
            demand(readings.dtype == spec.reading_dtype, f"readings are {readings.dtype}, not {spec.reading_dtype}")
            demand(int(readings.max()) < 2**spec.bit_depth, f"a reading exceeds {spec.bit_depth} bits")


def same_frames_see_the_same_medium(subject: Subject) -> None:
    """Equal frames give like readings, within a session and after closing and opening; other frames give others."""
    device = subject.make()
    frames, others = random_frames(device, 16), random_frames(device, 16, seed=1)
    with exposed(subject, frames) as device:
        first, second, other = device.measure(frames), device.measure(frames), device.measure(others)
    with exposed(subject, frames) as device:
        third = device.measure(frames)
    for name, readings in (("again", second), ("after close and open", third)):
        like = similarity(first, readings)
        demand(like >= subject.similarity, f"the same frames {name} correlate only {like:.2f} with the first readings")
    # Frames sharing half of their inputs correlate by 1/4 in intensity; a strong anchor, on in half of them, adds to that.
    like = similarity(first, other)
    demand(like < 0.9, f"different frames give the same readings (correlation {like:.2f}): frozen image?")


def packed_frames_equal_unpacked(subject: Subject) -> None:
    """The same frames as bool and as bits packed most significant first are the same frames."""
    if not subject.make().spec.packed_input:
        return
    frames = random_frames(subject.make(), 6)
    with exposed(subject, frames) as device:
        plain = device.measure(frames)
    with exposed(subject, frames) as device:
        packed = device.measure(pack(frames))
    _same(subject, plain, packed, "packed frames")


def batching_does_not_matter(subject: Subject) -> None:
    """A sequence of frames gives the same readings in one call, in two and one by one."""
    frames = random_frames(subject.make(), 7)
    with exposed(subject, frames) as device:
        whole = device.measure(frames)
    for cuts in ([3], [1, 2, 3, 4, 5, 6]):
        with exposed(subject, frames) as device:
            parts = np.concatenate([device.measure(part) for part in np.split(frames, cuts)])
        _same(subject, whole, parts, f"a batch cut at {cuts}")


def _same(subject: Subject, first: Any, second: Any, what: str) -> None:
    if subject.repeatable:
        wrong = int(np.count_nonzero(first != second))
        demand(wrong == 0, f"{what}: {wrong} of {first.size} readings differ on a repeatable device")
    like = similarity(first, second)
    demand(like >= subject.similarity, f"{what}: readings correlate only {like:.2f}")


def orientation_is_out_in(subject: Subject) -> None:
    """Input j lights |A[:, j]|^2, column j of [out, in]: neither a row, nor shifted. Needs the subject's intensities."""
    if subject.intensities is None:
        return
    n = min(subject.intensities.shape)
    one_hot = np.eye(subject.intensities.shape[1], dtype=np.bool_)[:n]
    with exposed(subject, one_hot) as device:
        readings = np.mean([device.measure(one_hot) for _ in range(8)], axis=0)
    expected = subject.intensities[:, :n].T
    like = similarity(readings, expected)
    demand(like >= subject.similarity, f"one-hot frames correlate only {like:.2f} with the columns of |A|^2")
    for name, wrong in (
        ("rows (transposed)", expected[:, :n].T),
        ("shifted columns", np.roll(expected, 1, axis=1)[:, :n]),
    ):
        unlike = similarity(readings[:, :n], wrong)
        demand(unlike < 0.5, f"one-hot frames correlate {unlike:.2f} with the {name} of |A|^2: the medium is no test")


def light_follows_exposure(subject: Subject) -> None:
    """Half the exposure, half the signal above the dark level (within a tenth); no light, no dependence on frames."""
    frames = random_frames(subject.make(), 32)
    with exposed(subject, frames) as device:
        spec = device.spec
        acquisition = device.status().acquisition
        demand(acquisition is not None, "status().acquisition is None although the device was configured")
        assert acquisition is not None
        full = float(device.measure(frames).mean())
        device.configure(replace(acquisition, exposure_s=acquisition.exposure_s / 2, frame_time_s=None))
        half = float(device.measure(frames).mean())
        if not spec.can_blank:
            return
        device.configure(replace(acquisition, light=False))
        demand(not device.status().light_on, "status says that the light is on in a blanked acquisition")
        dark = float(device.measure(frames).mean())
        all_off = float(device.measure(np.zeros_like(frames)).mean())
        ratio = (half - dark) / (full - dark)
        demand(abs(ratio - 0.5) < 0.05, f"half the exposure gives {ratio:.2f} of the signal")
        demand(
            abs(dark - all_off) < 0.02 * (full - dark) + 0.1,
            f"blanked frames still show: {dark:.2f} and {all_off:.2f} DN",
        )


def limits_are_refused_before_light(subject: Subject) -> None:
    """Impossible exposures and frame times, wrong widths, types, padding bits and empty batches: refused, nothing shown."""
    with exposed(subject) as device:
        spec, before = device.spec, device.status()
        for exposure_s in (spec.exposure_min_s / 2, spec.exposure_max_s * 2, 0.0, -1.0, float("nan"), float("inf")):
            refuses(partial(device.configure, Acquisition(exposure_s)), DeviceError, f"exposure_s = {exposure_s}")
        short = Acquisition(spec.exposure_max_s, frame_time_s=spec.exposure_max_s / 2)
        refuses(partial(device.configure, short), DeviceError, "a frame time shorter than the exposure")
        bad: list[tuple[str, Any]] = [
            ("a frame too wide", np.zeros((1, spec.n_inputs + 1), dtype=np.bool_)),
            ("a frame too narrow", np.zeros((1, spec.n_inputs - 1), dtype=np.bool_)),
            ("a 1-D frame", np.zeros(spec.n_inputs, dtype=np.bool_)),
            ("frames of float", np.zeros((1, spec.n_inputs))),
            ("packed frames too wide", np.zeros((1, packed_width(spec.n_inputs) + 1), dtype=np.uint8)),
            ("an empty batch", np.zeros((0, spec.n_inputs), dtype=np.bool_)),
        ]
        if spec.n_inputs % 8:
            bad.append(("a set padding bit", np.full((1, packed_width(spec.n_inputs)), 255, dtype=np.uint8)))
        for what, frames in bad:
            refuses(partial(device.measure, frames), InputError, what)
        after = device.status()
        demand(after.frames_shown == before.frames_shown, "refused frames were counted as shown")
        demand(after.acquisition == before.acquisition, "a refused acquisition changed the one in force")


def closed_devices_refuse(subject: Subject) -> None:
    """Before open() and after close(), configure and measure raise DeviceClosed; unconfigured, measure raises too."""
    device = subject.make()
    frames = random_frames(device, 1)
    acquisition = Acquisition(device.spec.exposure_max_s)
    for when in ("before open()", "after close()"):
        refuses(partial(device.configure, acquisition), DeviceClosed, f"configure {when}")
        refuses(partial(device.measure, frames), DeviceClosed, f"measure {when}")
        device.open()
        try:
            refuses(device.open, DeviceError, "a second open()")
            refuses(partial(device.measure, frames), DeviceError, "measure before configure")
        finally:
            device.close()


def closing_is_idempotent_and_dark(subject: Subject) -> None:
    """close() may be called at any time and any number of times, and leaves the light off."""
    device = subject.make()
    device.close()
    device.open()
    device.configure(Acquisition(device.spec.exposure_min_s))
    for _ in range(2):
        device.close()
        _dark(device, "after close()")


def context_closes_on_error(subject: Subject) -> None:
    """An error inside `with OPU(device)` leaves the device closed and dark, and passes through."""
    device = subject.make()
    try:
        with OPU(device):
            device.configure(Acquisition(device.spec.exposure_min_s))
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    else:
        raise LawBroken("the context manager swallowed an exception")
    _dark(device, "after an error in the context")


def _dark(device: Device, when: str) -> None:
    status = device.status()
    demand(not status.is_open, f"status says open {when}")
    demand(not status.light_on, f"status says that the light is on {when}")


def status_is_truthful(subject: Subject) -> None:
    """Open or closed, light, acquisition in force, frames and time: status says what happened."""
    device = subject.make()
    _dark(device, "before open()")
    device.open()
    try:
        demand(device.status().is_open, "status says closed after open()")
        demand(not device.status().light_on, "light is on at open(), before anything was configured")
        in_force = device.configure(Acquisition(device.spec.exposure_min_s))
        demand(device.status().acquisition == in_force, "status does not show the acquisition that configure returned")
        shown, seconds = device.status().frames_shown, device.status().device_seconds
        device.measure(random_frames(device, 3))
        now = device.status()
        demand(now.frames_shown == shown + 3, f"3 frames counted as {now.frames_shown - shown}")
        frame_time_s = in_force.frame_time_s or 0.0
        demand(frame_time_s >= in_force.exposure_s, f"frame time {frame_time_s} s is shorter than the exposure")
        taken = now.device_seconds - seconds
        demand(taken >= 3 * frame_time_s * 0.999, f"3 frames of {frame_time_s} s are said to take {taken} s")
    finally:
        device.close()


LAWS: dict[str, Law] = {
    law.__name__: law
    for law in (
        spec_is_consistent,
        readings_have_shape_and_type,
        same_frames_see_the_same_medium,
        packed_frames_equal_unpacked,
        batching_does_not_matter,
        orientation_is_out_in,
        light_follows_exposure,
        limits_are_refused_before_light,
        closed_devices_refuse,
        closing_is_idempotent_and_dark,
        context_closes_on_error,
        status_is_truthful,
    )
}


def check(subject: Subject) -> dict[str, str]:
    """Every law broken by the subject and why; empty if it keeps the contract."""
    broken = {}
    for name, law in LAWS.items():
        try:
            law(subject)
        except LawBroken as error:
            broken[name] = str(error)
    return broken
