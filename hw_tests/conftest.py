"""Options and the one session of `pytest hw_tests --opu-config lab.toml --opu-device lab1`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # what is heavy is imported once there is a device
    from .check import Check
    from .command import Asked
    from .session import Session

NO_DEVICE = "no device, nothing tested: give --opu-config FILE and --opu-device PROFILE (`opu init FILE` writes a file)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of `opu hil`."""
    group = parser.getgroup("opu", "opu: is this device fit to train on?")
    group.addoption("--opu-config", metavar="FILE", help="TOML file with device profiles")
    group.addoption("--opu-device", metavar="PROFILE", help="profile of the file, or a kind of device")
    group.addoption("--opu-set", metavar="KEY=VALUE", action="append", default=[], help="override one key of the file")
    group.addoption(
        "--opu-level", choices=("quick", "standard", "soak"), default="quick", help="quick, standard or soak"
    )
    group.addoption("--opu-hours", type=float, default=2.0, help="how long level soak runs")
    group.addoption("--opu-baseline", metavar="RUN", type=Path, help="an earlier report of `opu hil`")
    group.addoption("--allow-laser", action="store_true", help="let a real device emit light")


def device_named(config: pytest.Config) -> bool:
    """Whether any device was asked for."""
    named = (config.getoption(name, default=None) for name in ("--opu-config", "--opu-device"))
    return any(named) or "OPU_DEVICE" in os.environ


def asked(config: pytest.Config) -> Asked:
    """What the options ask for."""
    from .command import Asked

    option = config.getoption
    return Asked(
        level=option("--opu-level"),
        baseline=option("--opu-baseline"),
        allow_laser=option("--allow-laser"),
        hours=option("--opu-hours"),
    )


def pytest_configure(config: pytest.Config) -> None:
    """One device, one process: workers would take it from one another."""
    if hasattr(config, "workerinput"):
        raise pytest.UsageError("one device cannot be judged by several processes; run without -n")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for every check of the level; without a device the whole suite is one skip, and no test ran (exit status 5)."""
    if "check" in metafunc.fixturenames:
        if not device_named(metafunc.config):
            pytest.skip(NO_DEVICE, allow_module_level=True)
        from .command import checks_of

        chosen = checks_of(asked(metafunc.config))
        metafunc.parametrize("check", chosen, ids=[check.name for check in chosen])


@pytest.fixture(scope="session")
def session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The device, opened at first use; dark and released at the end, whatever happens."""
    from opu.config import load_config
    from opu.errors import OPUError

    from .command import checks_of, session_of

    option, wanted = pytestconfig.getoption, asked(pytestconfig)
    try:
        config = load_config(option("--opu-config"), option("--opu-device"), option("--opu-set"))
        found = session_of(config, wanted)
    except OPUError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    found.n_tests = len(checks_of(wanted))
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="session")
def lost() -> list[Check]:
    """The check at which the device was lost, if it was."""
    return []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Why nothing was tested, where pytest itself would not tell the reasons of skips."""
    if not device_named(config) and not set("saA") & set(config.option.reportchars):
        terminalreporter.write_line(NO_DEVICE)
