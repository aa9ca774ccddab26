"""The entry point `sim`: how a configuration becomes a simulated device."""

from __future__ import annotations

from opu.device import Device
from opu.kinds import DeviceKind

from .settings import SimSettings

STARTER = """\
kind = "sim"
preset = "typical"          # "ideal", "typical" or "harsh": the physical parameters that are not set below
n_inputs = 784              # where these two are left out, `opu train` sets them to fit the network
n_outputs = 2000            # to train: at least the sum of the hidden widths (512 + 512 by default)
# seed = 7                  # of the medium: the same seed is the same random matrix; left out: 0, or `opu train --seed`
# anchor_share = 0.8        # fraction of the mirrors that form the anchor, which linear_transform needs

# [devices.{name}.camera]
# bit_depth = 8             # 8, 10 and 12 are sold, 1 to 16 simulated
# full_well_e = 13500       # electrons a pixel holds
# read_noise_e = 12         # electrons rms
# gain_dn_per_e = 0.0188    # left out: the range ends just below the full well
# black_level_dn = 2
# quantum_efficiency = 0.6
# dark_current_e_per_s = 125
# prnu_rms = 0.01           # pixels' responses differ by this fraction, their dark signals by dsnu_e
# dsnu_e = 10

# [devices.{name}.dmd]
# contrast_ratio = 1000     # on over off, in intensity
# layout = "interleaved"    # or "blocks", "rows": the mirrors of one input

# [devices.{name}.laser]
# power_w = 10e-3
# beam_radius_m = 5e-3      # 1/e^2 radius on the panel
# rin_rms = 0.002           # noise from frame to frame, a fraction of the power
# power_drift_rms = 0.01    # slow drift, over power_drift_time_s

# [devices.{name}.speckle]
# drift_time_s = 600        # the medium's field has decorrelated to 1/e; left out: it keeps still
# polarisation = 1.0        # 0: no polariser before the camera
# region = [40, 50]         # rows and columns of pixels that are the outputs; their product is n_outputs
# grain_px = 4              # size of a speckle grain in them; left out: outputs are independent

# [devices.{name}.reference]
# arm = "phase"             # "static", or "phase" if it can be stepped; left out: none
# strength = 4              # its light over the panel's
# tilt_cycles_per_px = [0.27, 0.27]
# coherence_time_s = 10     # its phase wanders

# [devices.{name}.clock]
# rates = "camera"          # or "generation2", "generation3": published rates
# power_w = 30              # from the mains
# real_time = false         # true: takes as long as the device would

# [devices.{name}.faults]
# dropped_fraction = 0      # of frames, shown again; also trigger_loss_fraction, first_trigger_lost
# duplicated_fraction = 0   # of readings, not noticed
"""


def build(settings: SimSettings) -> Device:
    """The closed device of these settings. The physics is imported here: checking a configuration needs none of it."""
    from .device import SimulatedDevice

    return SimulatedDevice(settings)


KIND = DeviceKind(
    name="sim",
    summary="physical simulator: speckle, micromirrors, camera, drift, reference arm, clock; instant, seeded",
    settings=SimSettings,
    build=build,
    starter=STARTER,
    emits_light=False,
)
