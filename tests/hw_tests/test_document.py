"""The document goes out as JSON, comes back as a baseline, and says what moved."""

import json
import math

import numpy as np
import pytest
from opu.hw_tests.baseline import Signature
from opu.hw_tests.check import Check
from opu.hw_tests.document import DOCUMENT, SIGNATURE, as_json, moved, read_baseline, signature_bytes
from opu.hw_tests.outcome import Limit, Statistics, failed, passed
from opu.hw_tests.suite import run

from opu.characterization.quantity import Quantity
from opu.errors import InputError


def check(name, value, error, **more):
    figure = Quantity(value, error, "DN")
    return Check(name, "a law", lambda session: passed("well", figure=figure, **more))


CHECKS = (
    check("a.kept", 1.0, 0.1, limit=Limit("most", 2.0, "DN"), statistics=Statistics("z", 5, 0.01, math.nan)),
    check("a.moved", 2.0, 0.1, data={"list": [np.float64(1.5), np.int64(3)], "inf": math.inf}),
    Check("b.failed", "a law", lambda session: failed("a cause", "a message")),
)


@pytest.fixture
def folder(tmp_path, session):
    """An earlier day's."""
    document = as_json(run(session, CHECKS), session)
    (tmp_path / DOCUMENT).write_text(json.dumps(document, allow_nan=False))
    signature = Signature(3, 20, 64, 1e-3, 2e-3, np.ones((2, 4, 5), np.float32), np.zeros((2, 3, 5), np.float32))
    (tmp_path / SIGNATURE).write_bytes(signature_bytes(signature))
    return tmp_path


def test_it_is_json_and_says_everything(folder):
    document = json.loads((folder / DOCUMENT).read_text())
    assert (document["fitness"], document["causes"]) == ("unfit", ["a cause"])
    kept, other, broken = document["checks"]
    assert kept["figure"] == {"value": 1.0, "standard_error": 0.1, "unit": "DN"}
    assert kept["limit"]["side"] == "most"
    assert kept["statistics"]["p_value"] is None
    assert other["data"] == {"list": [1.5, 3], "inf": None}
    assert (broken["cause"], broken["message"], broken["figure"]) == ("a cause", "a message", None)
    assert document["limits"]["significance"] == 0.005
    assert document["spec"]["kind"] == "reference"


def test_it_comes_back_as_a_baseline(folder):
    for path in (folder, folder / DOCUMENT):
        found = read_baseline(path)
        assert found.figures["a.kept"]["value"] == 1.0
        assert found.signature.patterns.shape == (2, 4, 5)
        assert (found.signature.seed, found.signature.single_exposure_s) == (3, 2e-3)
    (folder / SIGNATURE).unlink()
    assert read_baseline(folder).signature is None


def test_what_moved_comes_farthest_first(folder, session):
    now = (check("a.kept", 1.0, 0.1), check("a.moved", 5.0, 0.4), check("a.new", 5.0, 0.4))
    rows = moved(run(session, now), read_baseline(folder))
    assert [row[0] for row in rows] == ["a.moved", "a.kept"]
    assert rows[0][3] == pytest.approx(3.0 / math.hypot(0.1, 0.4))
    assert rows[1][3] == 0.0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "openopu-hil-0"}'])
def test_what_is_no_report_is_refused(tmp_path, text):
    (tmp_path / DOCUMENT).write_text(text)
    with pytest.raises(InputError, match="report"):
        read_baseline(tmp_path)


def test_damaged_readings_are_refused(folder):
    (folder / SIGNATURE).write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InputError, match="take a new baseline"):
        read_baseline(folder)
