"""The entry point `visa`: how a configuration becomes a device behind an appliance (`opu serve`) or another SCPI server."""

from __future__ import annotations

from opu.kinds import DeviceKind

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
