"""The history: entered, replaced, found again when its index is lost, drawn."""

import json

import pytest
from opu.hw_tests import history
from opu.hw_tests.document import DOCUMENT, FORMAT

from opu.errors import InputError


def document(day, device="lab", fitness="fit", value=1.0):
    return {
        "format": FORMAT,
        "started_utc": f"2026-01-{day:02d}T10:00:00+00:00",
        "device": device,
        "spec": {"serial": f"{device}-0"},
        "level": "quick",
        "fitness": fitness,
        "causes": [] if fitness == "fit" else ["dead outputs", "lost frames"],
        "checks": [
            {"name": "a.b", "figure": {"value": value, "standard_error": 0.1, "unit": "DN"}, "result": "passed"},
            {"name": "a.c", "figure": None, "result": "passed"},
        ],
    }


def enter(runs, name, *arguments, **more):
    folder = runs / name
    folder.mkdir(exist_ok=True)
    (folder / DOCUMENT).write_text(json.dumps(document(*arguments, **more)))
    history.register(runs, folder, document(*arguments, **more))


def test_verdicts_by_device_or_serial_oldest_first(tmp_path):
    enter(tmp_path, "two", 2, fitness="unfit")
    enter(tmp_path, "one", 1)
    enter(tmp_path, "other", 3, device="else")
    assert [row["folder"] for row in history.verdicts(tmp_path)] == ["one", "two", "other"]
    assert [row["folder"] for row in history.verdicts(tmp_path, "lab")] == ["one", "two"]
    assert [row["folder"] for row in history.verdicts(tmp_path, "else-0")] == ["other"]
    assert history.verdicts(tmp_path)[1]["causes"] == "dead outputs; lost frames"


def test_a_folder_is_entered_once(tmp_path):
    enter(tmp_path, "one", 1)
    enter(tmp_path, "one", 1, value=2.0)
    assert len(history.verdicts(tmp_path)) == 1
    assert history.figures(tmp_path, ["one"]) == {"a.b": [("one", 2.0, 0.1, "DN")]}


def test_a_lost_index_is_made_again(tmp_path, here):
    for day in (1, 2):
        enter(tmp_path, str(day), day)
    before = history.verdicts(tmp_path)
    (tmp_path / history.INDEX).unlink()
    assert history.rescan(tmp_path) == 2
    assert history.verdicts(tmp_path) == before
    status, out, _ = here("hil", "history", "--folder", str(tmp_path), "--rescan", "--json")
    assert status == 0
    assert len(json.loads(out)["verdicts"]) == 2


def test_the_plot_has_what_was_measured_twice(tmp_path, here):
    enter(tmp_path, "one", 1)
    with pytest.raises(InputError, match="measured twice"):
        history.plot(tmp_path, history.verdicts(tmp_path), tmp_path / "a.png")
    enter(tmp_path, "two", 2, value=3.0)
    assert history.plot(tmp_path, history.verdicts(tmp_path), tmp_path / "a.png") == ["a.b"]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    status, out, _ = here("hil", "history", "--folder", str(tmp_path), "--device", "lab")
    assert status == 0
    assert out.count("lab (lab-0)") == 2


def test_what_is_no_index_is_told(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        history.verdicts(tmp_path / "nowhere")
    (tmp_path / history.INDEX).write_text("this is no database, and long enough to be read as one" * 40)
    with pytest.raises(InputError, match="--rescan"):
        history.verdicts(tmp_path)
