"""Who may connect: loopback alone by default; beyond it an allow-list and a token, proved and never sent."""

import hashlib
import hmac
import logging
import subprocess

import numpy as np
import pytest
from opu.drivers.access import Gate, check_exposure, proof, read_token
from opu.drivers.lease import Link
from opu.drivers.scpi_errors import ScpiError
from opu.drivers.serve import Access, Appliance

from opu.device import Acquisition
from opu.errors import ConfigError, DeviceError, DeviceLost

from .lamp import Lamp

TOKEN = "correct horse battery staple"


def local(**access):
    return Access("127.0.0.1:0", "127.0.0.1:0", **access)


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


def test_the_gate_admits_loopback_or_the_networks_listed():
    assert Gate().admits("127.0.0.1")
    assert Gate().admits("::1")
    assert Gate().admits("::ffff:127.0.0.1")
    assert not Gate().admits("192.0.2.7")
    listed = Gate(("192.0.2.0/28", "2001:db8::/32"))
    assert listed.admits("192.0.2.7")
    assert listed.admits("2001:db8::5")
    assert not listed.admits("192.0.2.77")
    assert not listed.admits("127.0.0.1")


@pytest.mark.parametrize(
    ("host", "allow", "token", "missing"),
    [
        ("0.0.0.0", (), "", "--allow NETWORK and --token-file"),
        ("192.0.2.7", ("192.0.2.0/24",), "", "add --token-file"),
        ("::", (), TOKEN, "add --allow"),
        ("lab", (), "", "IP address"),
        ("127.0.0.1", ("192.0.2.7/24",), "", "has host bits"),
    ],
)
def test_serving_beyond_loopback_needs_both(host, allow, token, missing):
    with pytest.raises(ConfigError, match=missing):
        check_exposure(host, allow, token, "opu serve")


def test_an_appliance_open_to_others_is_refused_before_it_listens(token_file):
    for access in (Access("0.0.0.0:0"), Access(None, "0.0.0.0:0", token_file=token_file)):
        with pytest.raises(ConfigError, match="needs an allow-list and a token"):
            Appliance(Lamp(), access)
    check_exposure("0.0.0.0", ("192.0.2.0/24",), TOKEN, "opu serve")
    check_exposure("127.0.0.1", (), "", "opu serve")


def test_proof_is_hmac_sha256_of_the_nonce():
    assert proof("key", "nonce") == hmac.new(b"key", b"nonce", hashlib.sha256).hexdigest()


def test_a_challenge_holds_for_one_try():
    gate, link = Gate(token=TOKEN), Link("there", trusted=False)
    first = gate.challenge(link)
    assert first != gate.challenge(link)
    with pytest.raises(ScpiError, match="token"):
        gate.answer(link, proof(TOKEN, first))
    right = proof(TOKEN, gate.challenge(link))
    gate.answer(link, right)
    assert link.trusted
    link.trusted = False
    with pytest.raises(ScpiError, match="token"):
        gate.answer(link, right)


def test_tokens_come_from_environment_or_file_and_never_show(tmp_path, monkeypatch, token_file):
    monkeypatch.setenv("LAB_TOKEN", TOKEN)
    assert read_token("LAB_TOKEN", None) == read_token(None, token_file) == TOKEN
    assert read_token(None, None) == ""
    assert TOKEN not in repr(Gate(token=TOKEN))
    short = tmp_path / "short"
    short.write_text("hunter2")
    with pytest.raises(ConfigError, match="7 characters") as caught:
        read_token(None, short)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(None, tmp_path / "none")


@pytest.mark.parametrize("transport", [0, 1], ids=["SOCKET", "HiSLIP"])
def test_the_token_opens_and_a_wrong_one_does_not(transport, serve, connect, token_file, monkeypatch, caplog):
    monkeypatch.setenv("WRONG", "x" * 20)
    caplog.set_level(logging.DEBUG)
    resource = serve(access=local(token_file=token_file)).resources[transport]
    assert connect(resource, token_file=str(token_file)).spec.serial == "lamp-0"
    with pytest.raises(DeviceError, match="does not answer the challenge"):
        _ = connect(resource, token_env="WRONG").spec
    with pytest.raises(ConfigError, match="set token_env or token_file"):
        _ = connect(resource).spec
    assert TOKEN not in caplog.text


def test_others_are_turned_away_before_they_may_speak(serve, connect, token_file, monkeypatch):
    monkeypatch.setattr("opu.drivers.visa_device.OPEN_RETRY_S", 0.0)
    resource = serve(access=local(allow=("192.0.2.0/24",), token_file=token_file)).resources[0]
    with pytest.raises(DeviceLost, match="allow-list"):
        _ = connect(resource, token_file=str(token_file)).spec


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Two self-signed ones for 127.0.0.1: (certificate, key) each."""
    made = []
    for name in ("ours", "theirs"):
        folder = tmp_path_factory.mktemp(name)
        subprocess.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem -out cert.pem "
            f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1".split(),
            cwd=folder,
            check=True,
            capture_output=True,
        )
        made.append((folder / "cert.pem", folder / "key.pem"))
    return made


def test_tls_carries_measurements_and_believes_one_certificate(serve, connect, certificates):
    (cert, key), (other, _) = certificates
    resource = serve(access=Access("127.0.0.1:0", tls_cert=cert, tls_key=key), stall_s=0.2).resources[0]
    device = connect(resource, tls_ca=str(cert))
    device.open()
    device.configure(Acquisition(1e-3))
    frames = np.random.default_rng(0).random((2000, 20)) < 0.5
    lamp = Lamp()
    lamp.open()
    lamp.configure(Acquisition(1e-3))
    assert np.array_equal(device.measure(frames), lamp.measure(frames))
    with pytest.raises(DeviceError, match="not believed"):
        _ = connect(resource, tls_ca=str(other)).spec
    with pytest.raises(ConfigError, match="PEM"):
        _ = connect(resource, tls_ca=str(key)).spec


def test_plain_and_tls_do_not_mix(serve, connect, certificates, monkeypatch):
    monkeypatch.setattr("opu.drivers.visa_device.OPEN_RETRY_S", 0.0)
    cert, key = certificates[0]
    secured = serve(access=Access("127.0.0.1:0", tls_cert=cert, tls_key=key), stall_s=0.2).resources[0]
    with pytest.raises(DeviceLost):
        _ = connect(secured, timeout_s=0.5).spec
    with pytest.raises(DeviceLost, match="TLS"):
        _ = connect(serve(stall_s=0.2).resources[0], timeout_s=0.5, tls_ca=str(cert)).spec


def test_tls_needs_both_files_and_hislip_stays_at_home(certificates, token_file):
    cert, key = certificates[0]
    with pytest.raises(ConfigError, match="both --tls-cert and --tls-key"):
        Appliance(Lamp(), Access("127.0.0.1:0", tls_cert=cert))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        Appliance(Lamp(), Access("127.0.0.1:0", tls_cert=key, tls_key=cert))
    with pytest.raises(ConfigError, match="HiSLIP is not encrypted"):
        Appliance(
            Lamp(),
            Access(None, "0.0.0.0:0", token_file=token_file, allow=("192.0.2.0/24",), tls_cert=cert, tls_key=key),
        )
