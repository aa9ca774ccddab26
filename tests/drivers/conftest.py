"""Appliances in this process, on ports that the system chooses, and clients of them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from opu.drivers.limits import Limits
from opu.drivers.serve import Access, Appliance
from opu.drivers.visa_device import VisaDevice
from opu.drivers.visa_settings import VisaSettings

from .lamp import Lamp

LOCAL = Access("127.0.0.1:0", "127.0.0.1:0")


@pytest.fixture
def serve() -> Iterator[Callable[..., Appliance]]:
    """serve(device=Lamp(), access=LOCAL, **limits) -> a running Appliance."""
    with ExitStack() as stack:

        def start(device=None, access=LOCAL, **limits) -> Appliance:
            return stack.enter_context(Appliance(device or Lamp(), access, Limits(**limits)))

        yield start


@pytest.fixture
def connect() -> Iterator[Callable[..., VisaDevice]]:
    """connect(resource, **settings) -> a closed VisaDevice, closed again at the end."""
    devices: list[VisaDevice] = []

    def make(resource: str, **settings) -> VisaDevice:
        devices.append(VisaDevice(VisaSettings(resource=resource, **settings)))
        return devices[-1]

    yield make
    for device in devices:
        device.close()


@pytest.fixture
def lamp_environment(tmp_path: Path) -> dict[str, str]:
    """For processes: the kind `lamp` is installed there."""
    about = tmp_path / "site" / "openopu_lamp-0.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: openopu-lamp\nVersion: 0.0\n")
    (about / "entry_points.txt").write_text("[opu.devices]\nlamp = lamp:KIND\n")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(Path(__file__).parent)])}


@pytest.fixture
def spawn(lamp_environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen]]:
    """spawn(code) -> a Python process with its output as text; killed at the end."""
    processes: list[subprocess.Popen] = []

    def start(code: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", code], env=lamp_environment, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def until(condition: Callable[[], bool], within_s: float = 5.0) -> float:
    """Seconds until it holds; fails if it does not."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() < start + within_s, "did not happen in time"
        time.sleep(0.005)
    return time.monotonic() - start
