"""From settings to the parts of a device: panel, medium, optics, and who it says it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from opu.device import DeviceSpec
from opu.errors import ConfigError

from .blend import add_blended_fields
from .camera import Camera
from .clock import frame_time
from .drift import DriftingMedium, Fields, medium_seed
from .grain import Grain
from .hashing import MASK, mix
from .light import DenseLight, Light, Scene
from .matrix import Matrix, load_matrix
from .measured import MatrixLight
from .optics import Optics
from .panel import lay_out, panel_identity
from .reference import plane_wave
from .settings import SimSettings
from .structured import StructuredLight

NOISE_OF_SEED = 0x4E4F495345


@dataclass(frozen=True)
class Parts:
    """What a device is made of. `scene`: its outputs are the medium's, which are modes where speckle has grain.

    Photons come from `optics` where it is given, else from `light`.
    """

    scene: Scene
    light: Light | None
    optics: Optics | None
    camera: Camera
    noise_seed: int
    spec: DeviceSpec


def assemble(settings: SimSettings) -> Parts:
    """ConfigError or InputError, before any light, where settings or the files they name do not fit one another."""
    panel = lay_out(settings.n_inputs, settings.anchor_share, settings.dmd, settings.laser)
    matrix = _matrix(settings) if settings.medium == "matrix" else None
    grain = None
    outputs, all_outputs = settings.outputs_read, settings.n_outputs
    if settings.speckle.grain_px is not None and settings.speckle.region is not None:
        grain = Grain(settings.speckle.region, settings.speckle.grain_px)
        outputs, all_outputs = range(grain.n_modes), grain.n_modes
    scene = Scene(settings.seed, panel, outputs, all_outputs, settings.dmd.leak)
    noise_seed = mix((settings.seed ^ NOISE_OF_SEED) & MASK) if settings.noise_seed is None else settings.noise_seed
    camera = Camera(settings.camera, noise_seed, settings.outputs_read)
    light: Light | None = None
    optics: Optics | None = None
    if matrix is None and settings.speckle.plain and settings.reference.arm == "none":
        light = StructuredLight(scene) if settings.medium == "structured" else DenseLight(scene)
    else:
        optics = _optics(settings, scene, grain, matrix)
    spec = _spec(settings, panel.anchor_share, camera, matrix)
    return Parts(scene, light, optics, camera, noise_seed, spec)


def _optics(settings: SimSettings, scene: Scene, grain: Grain | None, matrix: Matrix | None) -> Optics:
    speckle, reference = settings.speckle, settings.reference

    def make(node: int, polarisation: int) -> Fields:
        if matrix is not None and node == 0:
            return MatrixLight(scene, matrix)
        other = replace(scene, seed=medium_seed(settings.seed, node, polarisation))
        return StructuredLight(other) if settings.medium == "structured" else DenseLight(other)

    def medium(polarisation: int) -> DriftingMedium:
        blend = add_blended_fields if settings.medium == "dense" else None
        return DriftingMedium(lambda node: make(node, polarisation), speckle.drift_time_s, blend)

    shares = [(1 + speckle.polarisation) / 2, (1 - speckle.polarisation) / 2]
    if speckle.polarisation == 1:
        shares = [1.0]
    wave = np.float32(reference.strength**0.5) * plane_wave(reference, speckle.region, settings.outputs_read)
    media = [medium(k) for k in range(len(shares))]
    return Optics(media, shares, wave, settings.outputs_read, grain, reference.tilt_cycles_per_px)


def _matrix(settings: SimSettings) -> Matrix:
    assert settings.matrix_file is not None  # SimSettings saw to it
    path = Path(settings.matrix_file).absolute()
    matrix = load_matrix(path, settings.n_outputs, settings.n_inputs, settings.matrix_scale)
    if matrix.has_anchor and settings.anchor_share == 0:
        raise ConfigError(
            f"matrix_file {path} has {settings.n_inputs + 1} columns, the last for the anchor, and anchor_share = 0; give the "
            f"anchor its share, or set n_inputs = {settings.n_inputs + 1}"
        )
    return matrix


def _spec(settings: SimSettings, anchor_share: float, camera: Camera, matrix: Matrix | None) -> DeviceSpec:
    pixels, laser, speckle, reference = settings.camera, settings.laser, settings.speckle, settings.reference
    has_anchor = settings.anchor_share > 0
    shortest = frame_time(
        settings.clock, pixels, settings.dmd, pixels.exposure_min_s, settings.n_inputs, settings.n_outputs
    )
    medium = f"{settings.medium} {settings.seed} {settings.n_outputs} {settings.outputs} {speckle!r}"
    if matrix is not None:
        medium += f" {matrix.digest} {matrix.scale!r}"
    mirrors = panel_identity(settings.n_inputs, settings.anchor_share, settings.dmd, laser)
    whole = len(settings.outputs_read) == settings.n_outputs
    return DeviceSpec(
        kind="sim",
        model=f"simulator ({settings.preset}, {settings.medium} medium)",
        serial=f"sim-{settings.seed}",
        n_inputs=settings.n_inputs + has_anchor,
        n_outputs=len(settings.outputs_read),
        bit_depth=pixels.bit_depth,
        saturation_dn=camera.saturation_dn,
        frame_rate_hz=1 / shortest.seconds,
        exposure_min_s=pixels.exposure_min_s,
        exposure_max_s=pixels.exposure_max_s,
        fingerprint=_digest(f"{medium} {mirrors}"),
        response=_digest(f"{laser!r} {pixels!r} {reference!r}"),
        anchor_input=settings.n_inputs if has_anchor else None,
        anchor_share=anchor_share,
        reference_arm=reference.arm,
        medium=settings.medium,
        output_shape=speckle.region if whole else None,
        grain_px=speckle.grain_px or 0.0,
        reference_tilt_cycles_per_px=reference.tilt_cycles_per_px,
        power_w=settings.clock.power_w,
        frame_arrays=("numpy", "cupy") if settings.compute == "cuda" else ("numpy",),
    )


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
