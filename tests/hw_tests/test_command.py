"""`opu hil`: exit statuses, what is written, what is said, limits and sick devices from the command line."""

import json
import re
from xml.etree import ElementTree

import pytest
from opu.hw_tests.command import Asked, session_of
from opu.hw_tests.matrix import QUICK
from opu.hw_tests.suite import run

from opu.config import load_config
from opu.errors import ConfigError

FILE = """
device = "d"
[devices.d]
kind = "sim"
n_inputs = 40
n_outputs = 128
seed = 3
[devices.net]
kind = "visa"
resource = "TCPIP::127.0.0.1::9::SOCKET"
reconnect_s = 0.1
timeout_s = 0.2
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "lab.toml").write_text(FILE)
    return "--config", "lab.toml"


def test_fit_is_0_and_leaves_a_report(here, config, tmp_path):
    status, out, err = here("hil", *config, "--only", "identity", "--only", "codes", "--out", "out", "--json")
    assert status == 0, err
    document = json.loads(out.splitlines()[-1])
    assert document["fitness"] == "fit"
    assert document["causes"] == []
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "hil.json",
        "junit.xml",
        "report.html",
        "medium.npz",
    }
    assert json.loads((tmp_path / "out" / "hil.json").read_text())["spec"]["serial"] == document["spec"]["serial"]
    assert ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()[0].get("tests") == "6"
    assert here("hil", *config, "--only", "identity", "--out", "out")[0] == 2  # it would be lost


def test_unfit_is_1_and_names_the_cause(here, config):
    status, out, _ = here("hil", *config, "--only", "codes", "--sick", "bit-stuck")
    assert status == 1
    assert "d (bit-stuck): NOT FIT" in out
    assert "bit 3 stuck at 1" in out
    status, out, _ = here("hil", *config, "--only", "light", "--set", "laser.power_w=1e-12", "--json")
    assert status == 1
    assert json.loads(out)["causes"][0] == "no light arrives"


def test_what_was_asked_wrongly_is_2_and_said(here, config):
    for arguments, told in (
        (("--only", "mediun"), "--only mediun: no check"),
        (("--level", "slow"), "allowed: quick, standard, soak"),
        (("--sick", "bit-stukc"), "did you mean 'bit-stuck'"),
        (("--sick", "rows-shifted"), "judge the healthy device, then add --baseline"),
        (("--sick", "drifting", "--device", "net"), "overriding a simulator's settings"),
        (("--sick", "rows-shifted", "--baseline", "."), "opu hil` writes hil.json"),
        (("--resume", "."), "no soak.jsonl in it"),
        (("--baseline", "nowhere"), "no report"),
    ):
        status, _, err = here("hil", *config, *arguments)
        assert status == 2, arguments
        assert told in err, err


def test_a_device_that_cannot_be_reached_is_2(here, config, tmp_path):
    status, out, err = here("hil", *config, "--device", "net", "--json")
    assert status == 2
    assert json.loads(out)["fitness"] == "unjudged"
    assert "could not be judged" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("bits", "status"), [(5, 2), (6, 0)])
def test_a_camera_of_few_bits_is_not_judged_by_its_light(here, config, bits, status):
    found, out, _ = here("hil", *config, "--only", "identity", "--only", "codes", "--set", f"camera.bit_depth={bits}")
    assert found == status
    assert ("the camera has 5 bits, and its light is judged from 6 on" in " ".join(out.split())) == (status == 2)


def test_the_folder_of_the_pytest_suite(here):
    status, out, _ = here("hil", "--where")
    assert status == 0
    assert out.strip().endswith("hw_tests")


def test_every_check_is_listed(here):
    status, out, _ = here("hil", "checks")
    assert status == 0
    assert all(check.name in out for check in QUICK)
    assert len(re.findall(r"test:", out)) > 50


def test_sick_settings_are_laid_over_the_profile(tmp_path):
    (tmp_path / "lab.toml").write_text(FILE)
    config = load_config(tmp_path / "lab.toml")
    for name, failing in (
        ("drifting", "medium.drift"),
        ("not-random", "medium.contrast"),
        ("swapped-bytes", "codes.bits"),
    ):
        session = session_of(config, Asked(sick=name), tmp_path)
        verdict = run(session, [check for check in QUICK if check.name == failing])
        assert [one.check.name for one in verdict.failures] == [failing]
        assert session.name == f"d ({name})"


def test_a_medium_replaced_in_secret_keeps_its_names(tmp_path):
    (tmp_path / "lab.toml").write_text(FILE)
    config, earlier = load_config(tmp_path / "lab.toml"), tmp_path / "monday"
    healthy = session_of(config, Asked()).spec
    earlier.mkdir()
    from opu.hw_tests.document import DOCUMENT, as_json
    from opu.hw_tests.suite import Verdict

    verdict = Verdict("d", "quick", "monday", 0.0, ())
    (earlier / DOCUMENT).write_text(json.dumps(as_json(verdict, session_of(config, Asked()))))
    sick = session_of(config, Asked(sick="medium-replaced", baseline=earlier), tmp_path).spec
    assert (sick.serial, sick.fingerprint) == (healthy.serial, healthy.fingerprint)


def test_transposing_needs_a_square_matrix_of_the_profile_s_own(tmp_path):
    import numpy as np
    from opu.hw_tests.sick import sickness_of
    from opu.hw_tests.sick_profile import sick_profile

    sickness = sickness_of("transposed", "--sick")
    with pytest.raises(ConfigError, match="square matrix_file in the profile"):
        sick_profile(sickness, {"kind": "sim", "n_inputs": 4, "n_outputs": 4}, tmp_path)
    matrix = np.arange(16).reshape(4, 4) * (1 + 2j)
    for name, content in (("square", matrix), ("oblong", matrix[:2])):
        np.save(tmp_path / f"{name}.npy", content)
    profile = {
        "kind": "sim",
        "medium": "matrix",
        "matrix_file": str(tmp_path / "square.npy"),
        "n_inputs": 4,
        "n_outputs": 4,
    }
    changed = sick_profile(sickness, profile, tmp_path)
    assert np.array_equal(np.load(changed["matrix_file"]), matrix.T)
    with pytest.raises(ConfigError, match="not square"):
        sick_profile(sickness, {**profile, "matrix_file": str(tmp_path / "oblong.npy")}, tmp_path)
