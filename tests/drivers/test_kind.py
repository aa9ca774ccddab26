"""The kind `visa`: found by name, checked like every other, and pyvisa loaded only by a link."""

import subprocess
import sys

import pytest

import opu
from opu.config import Config
from opu.errors import ConfigError
from opu.factory import build_profile
from opu.kinds import kind_names, load_kind
from opu.validation import validated


def test_it_is_installed_and_builds_without_a_network():
    assert "visa" in kind_names()
    kind = load_kind("visa")
    device = kind.build(kind.settings(resource="TCPIP::127.0.0.1::5025::SOCKET"))
    assert not device.status().is_open
    device.close()
    assert 'kind = "visa"' in kind.starter


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "resource: missing"),
        ({"resource": "x", "token": "secret"}, "unknown key"),
        ({"resource": "x", "timeout_s": 0.0}, "timeout_s"),
        ({"resource": "x", "token_env": "A", "token_file": "B"}, "leave one out"),
        ({"resource": "TCPIP::h::hislip0::INSTR", "tls_ca": "c.pem"}, "needs a SOCKET resource"),
    ],
)
def test_mistakes_are_told(table, message):
    with pytest.raises(ConfigError, match=message):
        validated(load_kind("visa").settings, table, "test")


def test_a_missing_token_is_told_before_anything_is_reached(monkeypatch):
    monkeypatch.delenv("NO_TOKEN", raising=False)
    table = {"kind": "visa", "resource": "TCPIP::127.0.0.1::1::SOCKET", "token_env": "NO_TOKEN"}
    with pytest.raises(ConfigError, match="NO_TOKEN"):
        build_profile(Config("test", "lab", {"lab": table}))


def test_pyvisa_is_loaded_by_a_link_alone():
    code = (
        "import sys; from opu.kinds import load_kind; k = load_kind('visa'); k.build(k.settings(resource='x')); "
        "print('pyvisa' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_without_pyvisa_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvisa", None)
    with pytest.raises(ConfigError, match=r"openopu\[visa\]"):
        opu.open("visa", resource="TCPIP::127.0.0.1::1::SOCKET")
