"""One device measured from end to end, in the order in which each measurement needs the one before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from opu.device import Acquisition, DeviceSpec
from opu.errors import CalibrationError
from opu.exposure import TARGET_LEVEL, auto_exposure
from opu.processor import OPU

from .bench import FILL, Bench, choose_outputs
from .dark import Dark, knowing_noise, measure_dark
from .full_well import measure_full_well
from .kernel import Kernel, measure_kernel
from .linearity import Linearity, measure_linearity
from .mirrors import Mirrors, measure_mirrors
from .outputs import BadOutputs, SignalToNoise, find_bad_outputs, measure_signal_to_noise
from .photon_transfer import PhotonTransfer, fit_photon_transfer, measure_photon_transfer
from .quantity import Quantity
from .repeatability import Repeatability, measure_repeatability
from .speckle import Speckle, measure_speckle

LEAST_LIGHT_DN = 1.0
FORMAT = "openopu-characterization-1"
STEPS = (
    "exposure",
    "bad outputs",
    "dark stack",
    "repeatability",
    "photon transfer",
    "full well",
    "speckle",
    "mirrors",
    "signal to noise",
    "kernel",
    "linearity",
)


@dataclass(frozen=True)
class Characterization:
    """Everything measured on one device. acquisition: mean level 1/8 of the range at half of the inputs on."""

    device: str
    spec: DeviceSpec
    created_utc: str
    quick: bool
    seed: int
    acquisition: Acquisition
    frames_shown: int
    device_seconds: float
    temperature_c: float | None
    bad: BadOutputs
    dark: Dark
    repeatability: Repeatability
    photon_transfer: PhotonTransfer
    full_well_e: Quantity
    speckle: Speckle
    mirrors: Mirrors
    signal_to_noise: SignalToNoise
    kernel: Kernel
    linearity: Linearity

    def figures(self) -> dict[str, Quantity]:
        """Every figure by name, the unit in the name where it has one."""
        dark, transfer, light = self.dark, self.photon_transfer, self.mirrors
        return {
            "gain_dn_per_e": transfer.gain_dn_per_e,
            "read_noise_e": transfer.read_noise_e,
            "full_well_e": self.full_well_e,
            "dark_dn": dark.nearest(self.acquisition.exposure_s).level_dn,
            "black_level_dn": dark.black_dn,
            "dark_current_dn_per_s": dark.current_dn_per_s,
            "dark_fixed_pattern_e": transfer.fixed_pattern_e,
            "laser_rin_rms": transfer.rin_rms,
            "speckle_contrast": self.speckle.contrast,
            "grain_px": self.speckle.grain_px,
            "drift_time_s": self.repeatability.drift_time_s,
            "mirror_contrast_ratio": light.contrast,
            "panel_dn_per_s": light.everything_dn_per_s,
            "data_dn_per_s": light.data_dn_per_s,
            "anchor_light_share": light.anchor_share,
            "snr_per_frame": self.signal_to_noise.per_frame,
            "projection_snr": self.linearity.projection_snr,
            "nonlinear_power_additivity": self.linearity.additivity,
            "nonlinear_power_homogeneity": self.linearity.homogeneity,
            "kernel_relative_error": self.kernel.error,
        }

    def as_json(self) -> dict[str, Any]:
        """All figures, and what else a reader or `opu fit` needs; JSON-safe."""
        bound = self.repeatability.lower_bound_s
        return {
            "format": FORMAT,
            "device": self.device,
            "created_utc": self.created_utc,
            "quick": self.quick,
            "seed": self.seed,
            **{name: figure.as_json() for name, figure in self.figures().items()},
            "drift_time_lower_bound_s": None if bound.value is None else bound.value,
            "speckle_p_value": self.speckle.p_value if self.speckle.p_value >= 0 else None,
            "exposure_s": self.acquisition.exposure_s,
            "fill": FILL,
            "dead_outputs": self.bad.dead.tolist(),
            "hot_outputs": self.bad.hot.tolist(),
            "saturated_outputs": self.bad.saturated.tolist(),
            "hot_dn_per_s": self.bad.hot_dn_per_s,
            "projection_uses": self.linearity.uses,
            "temperature_c": self.temperature_c,
            "frames_shown": self.frames_shown,
            "device_seconds": self.device_seconds,
            "spec": asdict(self.spec),
        }


def characterize(
    opu: OPU,
    name: str = "",
    *,
    quick: bool = False,
    seed: int = 0,
    on_step: Callable[[str], None] | None = None,
) -> Characterization:
    """Measure an open OPU's device; its encoding and retrieval are those of the linearity test.

    on_step: told the name of each step as it begins (STEPS). Raises CapabilityError (fewer than 32 outputs),
    CalibrationError (no exposure fits) and whatever the device raises. The device stays open.
    """
    device, spec = opu.device, opu.spec
    bench = Bench(device, choose_outputs(spec), seed, quick)
    before, on_step = opu.status(), on_step or _silent
    on_step("exposure")
    acquisition = working_exposure(bench)
    on_step("bad outputs")
    bad = find_bad_outputs(bench, acquisition)
    bench = bench.without(bad.all)
    on_step("dark stack")
    dark = measure_dark(bench, (spec.exposure_min_s, acquisition.exposure_s, spec.exposure_max_s))
    on_step("repeatability")
    repeatability = measure_repeatability(bench, acquisition)
    on_step("photon transfer")
    readings = measure_photon_transfer(bench, acquisition, dark, repeatability.rate_per_s.seen)
    transfer = fit_photon_transfer(readings, dark)
    # Level and noise of a dark stack that takes two values lean on each other: the second round settles them to 1e-3.
    for _ in range(2 if dark.coarse else 0):
        noise = transfer.dark_noise_dn
        dark = knowing_noise(dark, noise) if noise.bound is None else dark
        transfer = fit_photon_transfer(readings, dark)
    on_step("full well")
    full_well_e = measure_full_well(bench, acquisition, dark, transfer.gain_dn_per_e)
    on_step("speckle")
    speckle = measure_speckle(bench, acquisition, dark)
    on_step("mirrors")
    flicker = transfer.rin_rms.value or 0.0 if transfer.rin_rms.bound is None else 0.0
    mirrors = measure_mirrors(bench, acquisition, dark, flicker)
    on_step("signal to noise")
    signal_to_noise = measure_signal_to_noise(bench, acquisition)
    on_step("kernel")
    kernel = measure_kernel(bench, acquisition, dark)
    on_step("linearity")
    linearity = measure_linearity(opu, bench)
    status = opu.status()
    return Characterization(
        device=name or spec.serial,
        spec=spec,
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        quick=quick,
        seed=seed,
        acquisition=acquisition,
        frames_shown=status.frames_shown - before.frames_shown,
        device_seconds=status.device_seconds - before.device_seconds,
        temperature_c=status.temperature_c,
        bad=bad,
        dark=dark,
        repeatability=repeatability,
        photon_transfer=transfer,
        full_well_e=full_well_e,
        speckle=speckle,
        mirrors=mirrors,
        signal_to_noise=signal_to_noise,
        kernel=kernel,
        linearity=linearity,
    )


def _silent(step: str) -> None:
    del step


def working_exposure(bench: Bench) -> Acquisition:
    """Mean level 1/8 of the range with half of the data inputs on; CalibrationError if there is hardly any light."""
    spec = bench.spec
    frames = bench.frames(bench.patterns(max(8, -(-4096 // spec.n_outputs)), purpose=0))
    purpose = "frames with half of the inputs on"
    seen, light_dn = bench.exposure(spec.exposure_min_s), 0.0
    # Twice, since the dark level depends on the exposure found.
    for _ in range(2):
        off = bench.exposure(seen.exposure_s, light=not spec.can_blank)
        dark_dn = float(bench.show(bench.everything(16, on=False), off).mean())
        try:
            found, readings, _ = auto_exposure(bench.device, frames, dark_dn, TARGET_LEVEL, purpose)
        except CalibrationError as error:
            raise CalibrationError(f"{error}; nothing was characterized") from None
        seen, light_dn = bench.exposure(found.exposure_s), float(readings.mean()) - dark_dn
    target_dn = TARGET_LEVEL * (spec.saturation_dn - dark_dn)
    if light_dn < min(LEAST_LIGHT_DN, target_dn / 4):
        raise CalibrationError(
            f"{bench.name}: {purpose} read {light_dn:.2g} DN above the dark level at {seen.exposure_s * 1e3:.3g} ms, and a "
            f"characterization needs {LEAST_LIGHT_DN:g} DN of {target_dn:.3g} DN wanted; raise the laser power by a factor "
            f"{target_dn / max(light_dn, 1e-3):.0f}; nothing was characterized"
        )
    return seen
