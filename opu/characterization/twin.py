"""A digital twin: a simulator profile that behaves like the device that was measured, as commented TOML.

Only the names of the simulator's keys are known here; each is written if this version's simulator has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from opu.errors import ConfigError, InputError
from opu.kinds import load_kind
from opu.physical_constants import PLANCK_J_S, SPEED_OF_LIGHT_M_PER_S
from opu.validation import validated

from .quantity import Quantity

KIND = "sim"
FRAME_GAP_S = 50e-6
ASSUMED_QUANTUM_EFFICIENCY, ASSUMED_POWER_W, ASSUMED_WAVELENGTH_M = 0.6, 10e-3, 532e-9
BARE_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Key(NamedTuple):
    """One line of the profile: table ("" the profile's own), key, value, and where the value comes from."""

    table: str
    key: str
    value: Any
    comment: str


def twin(figures: Mapping[str, Any], name: str, source: str = "measurements") -> str:
    """A config file with one profile [devices.<name>]. figures: a characterization.json.

    InputError where a figure is missing without which there is no twin; ConfigError for a name that TOML would quote, or
    where the simulator refuses the figures (they contradict each other).
    """
    if not BARE_NAME.fullmatch(name):
        raise ConfigError(f"name = {name!r}: letters, digits, - and _ only")
    model = load_kind(KIND).settings
    try:
        keys = [key for key in _keys(figures) if _known(model, key)]
        about = (
            f"of {figures['device']}, {figures['spec']['kind']} {figures['spec']['serial']}, {figures['created_utc']}"
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{source} lacks {error}: run `opu characterize` again") from None
    validated(model, _table(keys), f"twin of {source}")
    return _text(keys, name, f"# A digital twin {about}\n# fitted to {source}. ± is one standard error.\n")


def _keys(figures: Mapping[str, Any]) -> list[Key]:
    spec = figures["spec"]
    gain = _figure(figures, "gain_dn_per_e")
    if gain.value is None:
        raise InputError(
            f"gain_dn_per_e was not measured ({gain.note}): without it readings are no electrons, and the device has no twin"
        )
    has_anchor = spec["anchor_input"] is not None
    keys = [
        Key("", "preset", "typical", "for what is not listed below"),
        Key("", "n_inputs", spec["n_inputs"] - has_anchor, "of the device"),
        Key("", "n_outputs", spec["n_outputs"], "of the device"),
        Key("", "anchor_share", round(float(spec["anchor_share"]), 6), _anchor_comment(figures)),
    ]
    return [
        *keys,
        *_camera(figures, spec, gain),
        *_optics(figures, spec, gain),
        *_speckle(figures, spec),
        *_clock(spec),
    ]


def _camera(figures: Mapping[str, Any], spec: Mapping[str, Any], gain: Quantity) -> list[Key]:
    assert gain.value is not None
    noise, well, black = (_figure(figures, name) for name in ("read_noise_e", "full_well_e", "black_level_dn"))
    current, pattern = _figure(figures, "dark_current_dn_per_s"), _figure(figures, "dark_fixed_pattern_e")
    noise_e = noise.value or 0.0
    pattern_e = pattern.value or 0.0 if pattern.bound is None else 0.0
    keys = [
        Key("camera", "bit_depth", spec["bit_depth"], "of the device"),
        Key("camera", "gain_dn_per_e", gain.value, str(gain)),
        Key("camera", "read_noise_e", noise_e, _told(noise)),
        Key("camera", "quantum_efficiency", ASSUMED_QUANTUM_EFFICIENCY, "assumed; the coupling below makes up for it"),
        Key("camera", "exposure_min_s", spec["exposure_min_s"], "of the device"),
        Key("camera", "exposure_max_s", spec["exposure_max_s"], "of the device"),
        Key("camera", "readout_s", max(0.0, 1 / spec["frame_rate_hz"] - FRAME_GAP_S), "from the device's frame rate"),
    ]
    if black.value is not None:
        keys.append(Key("camera", "black_level_dn", max(black.value, 0.0), _told(black)))
    if well.value is not None:
        # A converter that ends first hides the well: it is put where it cannot show, four dark noises higher.
        hidden = 5 * (noise_e**2 + pattern_e**2) ** 0.5 if well.bound == "lower" else 0.0
        comment = f"{_told(well)}; set where it stays hidden" if hidden else _told(well)
        keys.append(Key("camera", "full_well_e", well.value + hidden, comment))
    if current.value is not None:
        rate = max(current.value, 0.0) / gain.value if current.seen else 0.0
        keys.append(Key("camera", "dark_current_e_per_s", rate, f"{current}, over the gain"))
    keys.append(Key("camera", "dsnu_e", pattern_e, _told(pattern)))
    keys.append(Key("camera", "prnu_rms", 0.0, "not measured: hidden under speckle"))
    n = spec["n_outputs"]
    dead, hot = figures["dead_outputs"], figures["hot_outputs"]
    keys.append(Key("camera", "dead_fraction", len(dead) / n, f"{len(dead)} of {n} outputs"))
    keys.append(Key("camera", "hot_fraction", len(hot) / n, f"{len(hot)} of {n} outputs"))
    if hot:
        keys.append(
            Key("camera", "hot_dark_current_e_per_s", figures["hot_dn_per_s"] / gain.value, "their mean excess")
        )
    return keys


def _optics(figures: Mapping[str, Any], spec: Mapping[str, Any], gain: Quantity) -> list[Key]:
    contrast, flicker, data = (
        _figure(figures, name) for name in ("mirror_contrast_ratio", "laser_rin_rms", "data_dn_per_s")
    )
    assert gain.value is not None
    keys = []
    if contrast.value is not None and contrast.value > 1:
        keys.append(Key("dmd", "contrast_ratio", contrast.value, _told(contrast)))
    flicker_rms = flicker.value or 0.0 if flicker.bound is None else 0.0
    keys.append(Key("laser", "rin_rms", flicker_rms, _told(flicker)))
    keys.append(Key("laser", "power_drift_rms", 0.0, "not measured"))
    keys.append(Key("laser", "profile", "flat", "assumed; blocks are interleaved, so the beam hardly shows"))
    if data.value is not None and data.value > 0:
        # Half of the data inputs get half of their share of the panel's light, and the off mirrors leak what they do.
        leak = 1 / contrast.value if contrast.value else 0.0
        share = float(figures["fill"]) * (1 - spec["anchor_share"])
        amplitude = leak**0.5
        lit = share * (1 - amplitude) ** 2 + 2 * share * amplitude * (1 - amplitude) + leak
        electrons_per_s = data.value / lit / gain.value
        photon_j = PLANCK_J_S * SPEED_OF_LIGHT_M_PER_S / ASSUMED_WAVELENGTH_M
        coupling = electrons_per_s / ASSUMED_QUANTUM_EFFICIENCY * photon_j / ASSUMED_POWER_W
        keys += [
            Key("laser", "power_w", ASSUMED_POWER_W, "assumed; only its product with the coupling counts"),
            Key("laser", "wavelength_m", ASSUMED_WAVELENGTH_M, "assumed"),
            Key("laser", "coupling", coupling, f"half of the data inputs read {data}"),
        ]
    return keys


def _speckle(figures: Mapping[str, Any], spec: Mapping[str, Any]) -> list[Key]:
    drift, grain, contrast = (_figure(figures, name) for name in ("drift_time_s", "grain_px", "speckle_contrast"))
    keys = []
    if drift.value is not None:
        keys.append(Key("speckle", "drift_time_s", drift.value, _told(drift)))
    if spec["output_shape"] is not None:
        keys.append(Key("speckle", "region", list(spec["output_shape"]), "of the device"))
        if grain.value:
            keys.append(Key("speckle", "grain_px", grain.value, _told(grain)))
    # Contrast^2 = (1 + P^2) / 2 for a degree of polarisation P; a grain lowers it too, and is then held to be the cause.
    value, error = contrast.value, contrast.standard_error or 0.0
    if value is not None and not grain.value and value < 1 - 3 * error:
        degree = max(2 * value**2 - 1, 0.0) ** 0.5
        keys.append(Key("speckle", "polarisation", degree, f"from the contrast, {contrast}"))
    return keys


def _clock(spec: Mapping[str, Any]) -> list[Key]:
    keys = []
    if spec["frame_rate_hz"] * 250e-6 > 1:
        keys.append(Key("dmd", "pattern_time_min_s", 1 / spec["frame_rate_hz"], "from the device's frame rate"))
    if spec["power_w"] > 0:
        keys.append(Key("clock", "power_w", spec["power_w"], "of the device"))
    return keys


def _figure(figures: Mapping[str, Any], name: str) -> Quantity:
    return Quantity(**figures[name])


def _told(figure: Quantity) -> str:
    return str(figure) + (f" ({figure.note})" if figure.note else "")


def _anchor_comment(figures: Mapping[str, Any]) -> str:
    return f"as the device says; measured, {_figure(figures, 'anchor_light_share')}"


def _known(model: type[BaseModel], key: Key) -> bool:
    """Whether this version's simulator has the key."""
    if not key.table:
        return key.key in model.model_fields
    field = model.model_fields.get(key.table)
    inner = field.annotation if field else None
    return isinstance(inner, type) and issubclass(inner, BaseModel) and key.key in inner.model_fields


def _table(keys: list[Key]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key in keys:
        place = table.setdefault(key.table, {}) if key.table else table
        place[key.key] = _rounded(key.value)
    return table


def _text(keys: list[Key], name: str, heading: str) -> str:
    lines = [heading, f'device = "{name}"', ""]
    for table in dict.fromkeys(key.table for key in keys):
        lines.append(f"[devices.{name}{'.' + table if table else ''}]")
        if not table:
            lines.append(f'kind = "{KIND}"')
        for key in keys:
            if key.table == table:
                comment = f"  # {' '.join(key.comment.split())}" if key.comment else ""
                lines.append(f"{key.key} = {_toml(_rounded(key.value))}{comment}")
        lines.append("")
    return "\n".join(lines)


def _rounded(value: Any) -> Any:
    """Six digits: more than was ever measured."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _toml(value: Any) -> str:
    """Numbers, strings and lists of numbers read the same in JSON and TOML."""
    return json.dumps(value)
