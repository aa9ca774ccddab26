"""One device under judgement: opened once, its measurements shared by the checks that stand on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from opu import OPU, Acquisition, DeviceSpec
from opu.characterization.bench import Bench, choose_outputs
from opu.errors import CalibrationError, OPUError

from .baseline import Baseline
from .check import Level
from .limits import Limits

T = TypeVar("T")


class Unavailable(OPUError):
    """A shared measurement failed before; the check that stands on it cannot judge."""


@dataclass
class Session:
    """What the checks are given.

    make: a new, closed OPU over the same device. emits_light: whether light must be allowed (a simulator emits none).
    baseline: figures and readings of an earlier day, if any. n_tests: statistical tests of this level, among which the
    significance is divided. source: config file and profile, for a second process. kind: of device, by the profile.
    hours, journal: how long level soak runs, and the file that says how far it came.
    say: told what is being done. limits, level, seed: as asked for.
    """

    name: str
    make: Callable[[], OPU]
    limits: Limits = field(default_factory=Limits)
    level: Level = "quick"
    seed: int = 0
    emits_light: bool = False
    allow_laser: bool = False
    baseline: Baseline | None = None
    source: tuple[str, str] | None = None
    kind: str = ""
    hours: float = 2.0
    journal: Path | None = None
    n_tests: int = 1
    say: Callable[[str], None] = lambda _: None
    _opu: OPU | None = None
    _shared: dict[str, Any] = field(default_factory=dict)

    @property
    def lit(self) -> bool:
        """Whether light may be emitted."""
        return self.allow_laser or not self.emits_light

    @property
    def opu(self) -> OPU:
        """The device, open; a check that closes it need not open it again."""
        if self._opu is None:
            self._opu = self.make()
        if not self._opu.status().is_open:
            self._opu.open()
        return self._opu

    @property
    def spec(self) -> DeviceSpec:
        """The device's, open or not."""
        if self._opu is None:
            self._opu = self.make()
        return self._opu.spec

    @property
    def significance(self) -> float:
        """Of one test, so that the suite as a whole keeps `limits.significance` (Bonferroni)."""
        return self.limits.significance / max(1, self.n_tests)

    @property
    def thorough(self) -> int:
        """How many times the frames of the quick level: 1, 4 or 16."""
        return {"quick": 1, "standard": 4, "soak": 16}[self.level]

    @property
    def bench(self) -> Bench:
        """The open device with its analysed outputs, all of them good until `outputs.bad` says otherwise."""
        return Bench(self.opu.device, choose_outputs(self.spec), self.seed, self.level == "quick")

    def shared(self, name: str, measure: Callable[[], T]) -> T:
        """measure(), made once under that name; Unavailable from then on if it raised.

        A CalibrationError makes it Unavailable at once: `light.working_exposure` is the check that fails for it.
        """
        if name not in self._shared:
            self.say(name)
            try:
                self._shared[name] = measure()
            except CalibrationError as error:
                self._shared[name] = error
            except OPUError as error:
                self._shared[name] = error
                raise
        value = self._shared[name]
        if isinstance(value, OPUError):
            raise Unavailable(f"{name}: {value}") from value
        return value  # type: ignore[no-any-return]

    def rng(self, purpose: str) -> np.random.Generator:
        """Random numbers of one purpose's own."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def measure(self, frames: NDArray[np.bool_], acquisition: Acquisition) -> NDArray[Any]:
        """Readings of every output, (n, n_outputs) DN, without the OPU's corrections."""
        device = self.opu.device
        device.configure(acquisition)
        return device.measure(frames)

    def forget(self, *names: str) -> None:
        """Make these shared measurements again when they are next asked for; all of them if none is named."""
        for name in names or tuple(self._shared):
            self._shared.pop(name, None)

    def close(self) -> None:
        """Light off, device released; idempotent."""
        if self._opu is not None:
            self._opu.close()
