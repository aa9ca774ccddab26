"""The laws can fail: each of these devices breaks the contract in one way, and the law meant for it says so."""

from dataclasses import replace

import numpy as np
import pytest

from opu.device import Acquisition
from opu.frames import checked_frames
from opu.testing import LAWS, LawBroken, ReferenceDevice, Subject, check

N_INPUTS, N_OUTPUTS = 20, 160
RNG = np.random.default_rng(5)
MATRIX = RNG.standard_normal((N_OUTPUTS, N_INPUTS)) + 1j * RNG.standard_normal((N_OUTPUTS, N_INPUTS))


class Transposed(ReferenceDevice):
    def __init__(self):
        super().__init__(MATRIX)
        self.matrix = MATRIX.copy()
        self.matrix[:N_INPUTS] = MATRIX[:N_INPUTS].T


class ShiftedOutputs(ReferenceDevice):
    def measure(self, frames):
        return np.roll(super().measure(frames), 1, axis=1)


class FrozenImage(ReferenceDevice):
    def measure(self, frames):
        return np.repeat(
            super().measure(np.eye(1, N_INPUTS, dtype=bool) | checked_frames(frames, N_INPUTS) & False),
            len(frames),
            axis=0,
        )


class WrongDtype(ReferenceDevice):
    def measure(self, frames):
        return super().measure(frames).astype(np.int64)


class LeastSignificantBitFirst(ReferenceDevice):
    def measure(self, frames):
        if frames.dtype == np.uint8:
            frames = np.unpackbits(frames, axis=1, bitorder="little")[:, :N_INPUTS].astype(bool)
        return super().measure(frames)


class NoiseOfTheBatch(ReferenceDevice):
    def measure(self, frames):
        return super().measure(frames) // 2 + np.uint16(len(frames))


class NewMediumEveryTime(ReferenceDevice):
    def open(self):
        super().open()
        self.matrix = np.random.default_rng().standard_normal(MATRIX.shape).astype(complex)


class IgnoresExposure(ReferenceDevice):
    def measure(self, frames):
        acquisition, self._acquisition = (
            self._acquisition,
            self._acquisition and replace(self._acquisition, exposure_s=1e-3),
        )
        try:
            return super().measure(frames)
        finally:
            self._acquisition = acquisition


class CannotBlank(ReferenceDevice):
    def configure(self, acquisition):
        return super().configure(replace(acquisition, light=True))


class AnyExposure(ReferenceDevice):
    def configure(self, acquisition):
        low, high = self.spec.exposure_min_s, self.spec.exposure_max_s
        if not acquisition.exposure_s > 0:
            acquisition = replace(acquisition, exposure_s=low)
        return super().configure(replace(acquisition, exposure_s=float(np.clip(acquisition.exposure_s, low, high))))


class WorksWhileClosed(ReferenceDevice):
    def configure(self, acquisition):
        self._is_open = True
        return super().configure(acquisition)


class LightStaysOn(ReferenceDevice):
    def close(self):
        acquisition = self._acquisition
        super().close()
        self._acquisition = acquisition


class CountsNothing(ReferenceDevice):
    def status(self):
        return replace(super().status(), frames_shown=0)


class LitAtOpen(ReferenceDevice):
    def open(self):
        super().open()
        self._acquisition = Acquisition(1e-3, 1e-3)


SICK = {
    Transposed: "orientation_is_out_in",
    ShiftedOutputs: "orientation_is_out_in",
    FrozenImage: "same_frames_see_the_same_medium",
    WrongDtype: "readings_have_shape_and_type",
    LeastSignificantBitFirst: "packed_frames_equal_unpacked",
    NoiseOfTheBatch: "batching_does_not_matter",
    NewMediumEveryTime: "same_frames_see_the_same_medium",
    IgnoresExposure: "light_follows_exposure",
    CannotBlank: "light_follows_exposure",
    AnyExposure: "limits_are_refused_before_light",
    WorksWhileClosed: "closed_devices_refuse",
    LightStaysOn: "closing_is_idempotent_and_dark",
    CountsNothing: "status_is_truthful",
    LitAtOpen: "status_is_truthful",
}


def subject(sick: type[ReferenceDevice]) -> Subject:
    make = sick if sick is Transposed else lambda: sick(MATRIX, brightness=1e5)
    return Subject(make=make, repeatable=True, intensities=np.abs(MATRIX) ** 2, similarity=0.95)


def test_the_healthy_device_keeps_every_law():
    assert check(subject(ReferenceDevice)) == {}


@pytest.mark.parametrize("sick", SICK, ids=lambda device: device.__name__)
@pytest.mark.filterwarnings("ignore")
def test_the_right_law_flags_the_sick_device(sick):
    with pytest.raises(LawBroken):
        LAWS[SICK[sick]](subject(sick))
