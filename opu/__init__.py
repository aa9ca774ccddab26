"""openopu: large random projections by light, simulated or real, and networks trained by them.

import opu
with opu.open("sim", n_inputs=784, n_outputs=2000, seed=7) as o:
    y = o.transform(x)           # camera(|A x|^2), 0/1 in, DN out
    z = o.linear_transform(e)    # B e, real in, float32 out
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opu.anchor import Anchor as Anchor
    from opu.calibration import Calibration as Calibration
    from opu.device import Acquisition as Acquisition
    from opu.device import Device as Device
    from opu.device import DeviceSpec as DeviceSpec
    from opu.device import DeviceStatus as DeviceStatus
    from opu.encodings import Binary as Binary
    from opu.encodings import BitPlanes as BitPlanes
    from opu.encodings import Ternary as Ternary
    from opu.errors import CalibrationError as CalibrationError
    from opu.errors import CapabilityError as CapabilityError
    from opu.errors import ConfigError as ConfigError
    from opu.errors import DeviceClosed as DeviceClosed
    from opu.errors import DeviceError as DeviceError
    from opu.errors import DeviceLost as DeviceLost
    from opu.errors import EncodingWarning as EncodingWarning
    from opu.errors import InputError as InputError
    from opu.errors import OPUError as OPUError
    from opu.errors import OPUWarning as OPUWarning
    from opu.errors import Saturated as Saturated
    from opu.errors import TooDark as TooDark
    from opu.factory import open as open
    from opu.holography import Holography as Holography
    from opu.kinds import DeviceKind as DeviceKind
    from opu.part_kinds import PartKind as PartKind
    from opu.parts import Camera as Camera
    from opu.parts import Laser as Laser
    from opu.parts import Modulator as Modulator
    from opu.parts import PowerMeter as PowerMeter
    from opu.phase_stepping import PhaseStepping as PhaseStepping
    from opu.pooling import PooledDevice as PooledDevice
    from opu.processor import OPU as OPU
    from opu.retrieval import Difference as Difference
    from opu.shard import Seekable as Seekable
    from opu.shard import Shard as Shard
    from opu.sharding import ShardedDevice as ShardedDevice
    from opu.threads import get_num_threads as get_num_threads
    from opu.threads import set_num_threads as set_num_threads

__version__ = "0.1.0"

# Loaded at first use, so that `opu --help` and a config check do not wait for NumPy and SciPy.
_HOMES = {
    "opu.anchor": ["Anchor"],
    "opu.calibration": ["Calibration"],
    "opu.device": ["Acquisition", "Device", "DeviceSpec", "DeviceStatus"],
    "opu.encodings": ["Binary", "BitPlanes", "Ternary"],
    "opu.errors": [
        "CalibrationError",
        "CapabilityError",
        "ConfigError",
        "DeviceClosed",
        "DeviceError",
        "DeviceLost",
        "EncodingWarning",
        "InputError",
        "OPUError",
        "OPUWarning",
        "Saturated",
        "TooDark",
    ],
    "opu.factory": ["open"],
    "opu.holography": ["Holography"],
    "opu.kinds": ["DeviceKind"],
    "opu.part_kinds": ["PartKind"],
    "opu.parts": ["Camera", "Laser", "Modulator", "PowerMeter"],
    "opu.phase_stepping": ["PhaseStepping"],
    "opu.pooling": ["PooledDevice"],
    "opu.processor": ["OPU"],
    "opu.retrieval": ["Difference"],
    "opu.threads": ["get_num_threads", "set_num_threads"],
    "opu.shard": ["Seekable", "Shard"],
    "opu.sharding": ["ShardedDevice"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'opu' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
