"""The entry point `sim`: how a configuration becomes a simulated device."""

from __future__ import annotations

from opu.kinds import DeviceKind

from .device import SimulatedDevice
from .settings import SimSettings

STARTER = """\
kind = "sim"
preset = "typical"          # "ideal", "typical" or "harsh": the physical parameters that are not set below
n_inputs = 784              # where these two are left out, `opu train` sets them to fit the network
n_outputs = 2000            # to train: at least the sum of the hidden widths (512 + 512 by default)
# seed = 7                  # of the medium: the same seed is the same random matrix; left out: 0, or `opu train --seed`
# anchor_share = 0.8        # fraction of the mirrors that form the anchor, which linear_transform needs

# [devices.{name}.camera]
# bit_depth = 8             # 8, 10, 12, 14 or 16
# full_well_e = 13500       # electrons a pixel holds
# read_noise_e = 12         # electrons rms
# gain_dn_per_e = 0.0188    # left out: the range ends just below the full well
# black_level_dn = 2
# quantum_efficiency = 0.6
# dark_current_e_per_s = 125

# [devices.{name}.dmd]
# contrast_ratio = 1000     # on over off, in intensity

# [devices.{name}.laser]
# power_w = 10e-3
# beam_radius_m = 5e-3      # 1/e^2 radius on the panel
"""

KIND = DeviceKind(
    name="sim",
    summary="physical simulator: speckle, micromirrors, camera noise; instant, seeded",
    settings=SimSettings,
    build=SimulatedDevice,
    starter=STARTER,
)
