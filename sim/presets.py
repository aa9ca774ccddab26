"""Named sets of physical parameters, and where their values come from."""

from __future__ import annotations

from typing import Any, Literal

PRESET_NAMES = ("ideal", "typical", "harsh")
Preset = Literal["ideal", "typical", "harsh"]

# Sources: "typical" is the first public OPU generation (8 bits; 400 us exposure in a 500 us frame) with a 5.5 um
# global-shutter CMOS camera. Its camera is the class of the CMOSIS CMV2000 / CMV4000, by data sheet, order of magnitude:
# full well 13,500 e-, dark noise 13 e-, dark current 125 e-/s at 25 C, quantum efficiency 60 %, photo response
# non-uniformity about 1 %, fixed pattern below 0.1 % of the full swing, that is below 13 e-. A dark current that doubles
# every 8 C is silicon's rule of thumb (5 to 10 C). "harsh" is a small-pixel camera at a seventh of that full well with the
# defects of a worn sensor, a dim laser, a beam that underfills the panel, and mirrors of poor contrast: no data sheet's.
# "ideal" removes every imperfection but 16-bit rounding.
# Diode-pumped 532 nm lasers are sold with noise of 0.1 to 0.5 % rms (10 Hz to tens of MHz, of which an exposure averages
# most away) and power stable to 1 to 2 % over hours: order of magnitude, by data sheet. "harsh" takes the upper ends, with
# half an hour of correlation. "typical" is steady: 0.1 % is a ninth of the shot noise of a full pixel, and steady light
# costs no time. Faults are left to be set: they belong to a bench's cabling and drivers, not to its optics.
PRESETS: dict[str, dict[str, Any]] = {
    "ideal": {
        "camera": {
            "bit_depth": 16,
            "full_well_e": 1e6,
            "read_noise_e": 0.0,
            "black_level_dn": 0.0,
            "quantum_efficiency": 1.0,
            "dark_current_e_per_s": 0.0,
            "shot_noise": False,
        },
        "dmd": {"contrast_ratio": None},
        "laser": {"profile": "flat", "coupling": 1e-7},
    },
    "typical": {"camera": {"prnu_rms": 0.01, "dsnu_e": 10.0}},
    "harsh": {
        "camera": {
            "full_well_e": 2000.0,
            "read_noise_e": 15.0,
            "black_level_dn": 8.0,
            "quantum_efficiency": 0.4,
            "dark_current_e_per_s": 1000.0,
            "prnu_rms": 0.02,
            "dsnu_e": 15.0,
            "hot_fraction": 1e-3,
            "dead_fraction": 1e-4,
        },
        "dmd": {"contrast_ratio": 200.0},
        "laser": {"power_w": 1e-3, "beam_radius_m": 3e-3, "rin_rms": 0.005, "power_drift_rms": 0.02},
    },
}
