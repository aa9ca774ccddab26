"""The entry points `visa`, a device behind an appliance (`opu serve`), and `bench`, one of laser, mirrors and camera."""

from __future__ import annotations

from opu.device import Device
from opu.kinds import DeviceKind

from .bench_settings import BenchSettings
from .visa_device import VisaDevice
from .visa_settings import VisaSettings

STARTER = """\
kind = "visa"
resource = "TCPIP::127.0.0.1::5025::SOCKET"   # or HiSLIP: "TCPIP::127.0.0.1::hislip0,4880::INSTR"
# token_env = "OPU_TOKEN"   # where the token is: an environment variable, or a file (token_file)
# tls_ca = "appliance.pem"  # whom to believe; SOCKET only
# timeout_s = 5             # an answer that takes longer is a lost link
# reconnect_s = 30          # how long to try again before giving up
# library = "@py"           # pyvisa-py; "" takes the VISA library that is installed
"""

VISA = DeviceKind(
    name="visa",
    summary="any OPU behind `opu serve`, over VISA: SOCKET or HiSLIP, with TLS, tokens and retries",
    settings=VisaSettings,
    build=VisaDevice,
    starter=STARTER,
)

BENCH_STARTER = """\
kind = "bench"
n_inputs = 1024             # data inputs; the anchor comes on top
# n_outputs = 4096          # so many of those that `outputs` selects, evenly spread; left out: all
# anchor_share = 0.8        # of the mirrors, for linear_transform; 0: none
# layout = "interleaved"    # or "blocks", "rows": the mirrors of one input
# roi = [0, 0, 1024, 768]   # x, y, width, height of the mirrors used; `opu bench map` suggests it
trigger = "software"        # "modulator": its clock pulses the camera; "camera": its exposure pulses the modulator
# lead_frames = 0           # with "camera": 1 if the pulse comes at the exposure's end
# frame_gap_s = 0           # between an exposure's end and the next pattern
# timeout_s = 1             # how late a frame may be
# retries = 5               # rounds without a new reading before an error
# warm_up_s = 600           # of the laser, before the first measurement
# medium = "opal glass 1"   # your name for it: change it when it was moved, so that old calibrations are refused
# dark = "laser"            # "none": never blank the laser
# gain_db = 0               # the camera's

[devices.{name}.modulator]
kind = "alp"                # `opu devices --parts` lists the kinds installed

[devices.{name}.camera]
kind = "viva"               # or "harvesters", "pylon", "slmsuite", "micromanager"

[devices.{name}.laser]      # left out: not under this program's control, and no dark frames
kind = "cld101x"            # or "obis"
resource = "USB0::0x1313::0x804F::M00000000::INSTR"
current_a = 0.1             # or power_w, where the kind knows watts

# [devices.{name}.power_meter]
# kind = "pm100d"

[devices.{name}.outputs]
# region = [0, 0, 512, 512] # row, column, rows, columns of the sensor; left out: all of it
# block = 4                 # pixels summed to one output, 4 x 4: about a speckle grain
# step = 8                  # from block to block
# reduce = "sum"            # or "mean"
# pixels_file = "pixels.npy"  # instead of block and step: bool[rows, columns] of the region, or int[n, 2]
"""


def _bench(settings: BenchSettings) -> Device:
    from .bench_device import BenchDevice  # brings numba along

    return BenchDevice(settings)


BENCH = DeviceKind(
    name="bench",
    summary="a laser, a micromirror device and a camera on an optical table, each through its own driver",
    settings=BenchSettings,
    build=_bench,
    starter=BENCH_STARTER,
)
