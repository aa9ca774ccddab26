"""What a bench is, from what its parts are: the DeviceSpec, and how long a frame takes."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from opu.device import DeviceSpec

from .bench_acquisition import shortest_s
from .bench_mirrors import Mirrors
from .bench_outputs import Outputs
from .bench_parts import PartSpecs
from .bench_settings import BenchSettings


@dataclass(frozen=True)
class Plan:
    """Everything that follows from the settings and the parts."""

    parts: PartSpecs
    mirrors: Mirrors
    outputs: Outputs
    spec: DeviceSpec


def planned(settings: BenchSettings, parts: PartSpecs) -> Plan:
    """ConfigError where settings and parts do not fit one another.

    The fingerprint is of the mirrors, the pixels, the serial numbers and `medium`, the bench's own name for what scatters:
    software cannot see that a lens was touched. The response is of laser, gain and camera, as the settings have them.
    """
    mirrors = Mirrors(settings, parts.modulator)
    outputs = Outputs(settings.outputs, settings.n_outputs, parts.camera)
    modulator, camera, laser = parts.modulator, parts.camera, parts.laser
    serials = [f"{modulator.model} {modulator.serial}", f"{camera.model} {camera.serial}"]
    source = "no laser of ours" if laser is None else f"{laser.model} {laser.serial}"
    wavelength = "" if laser is None else f"{laser.wavelength_m}"
    has_anchor = settings.anchor_share > 0
    step = settings.outputs.step or settings.outputs.block
    spec = DeviceSpec(
        kind="bench",
        model=f"{modulator.model}, {camera.model}, {source}",
        serial=f"{modulator.serial}/{camera.serial}",
        n_inputs=mirrors.n_inputs,
        n_outputs=outputs.n_outputs,
        bit_depth=outputs.bit_depth,
        saturation_dn=outputs.saturation_dn,
        frame_rate_hz=1 / shortest_s(settings, parts, camera.exposure_min_s, None),
        exposure_min_s=camera.exposure_min_s,
        exposure_max_s=camera.exposure_max_s,
        fingerprint=_digest(*serials, mirrors.identity, outputs.identity, wavelength, settings.medium),
        response=_digest(*serials, source, settings.text("laser", "camera", "gain_db"), f"{outputs.saturation_dn}"),
        anchor_input=settings.n_inputs if has_anchor else None,
        anchor_share=mirrors.anchor_share if has_anchor else 0.0,
        can_blank=settings.can_blank,
        medium=settings.medium,
        output_shape=outputs.shape,
        grain_px=settings.outputs.grain_px / step[0] if outputs.shape is not None else 0.0,
        power_w=settings.power_w,
    )
    return Plan(parts, mirrors, outputs, spec)


def _digest(*words: str) -> str:
    return sha256("\n".join(words).encode()).hexdigest()[:16]
