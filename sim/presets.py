"""Named sets of physical parameters, and where their values come from."""

from __future__ import annotations

from typing import Any, Literal

PRESET_NAMES = ("ideal", "typical", "harsh")
Preset = Literal["ideal", "typical", "harsh"]

# Sources: "typical" is the first public OPU generation (5.5 um global-shutter CMOS: 13,500 e- full well, 12 e- read noise,
# 8 bits; 400 us exposure in a 500 us frame). "harsh" is a small-pixel camera at a tenth of that full well, a dim laser, a
# beam that underfills the panel, and mirrors of poor contrast. "ideal" removes every imperfection but 16-bit rounding.
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
    "typical": {},
    "harsh": {
        "camera": {
            "full_well_e": 2000.0,
            "read_noise_e": 15.0,
            "black_level_dn": 8.0,
            "quantum_efficiency": 0.4,
            "dark_current_e_per_s": 1000.0,
        },
        "dmd": {"contrast_ratio": 200.0},
        "laser": {"power_w": 1e-3, "beam_radius_m": 3e-3},
    },
}
