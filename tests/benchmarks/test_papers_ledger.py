"""Finished trainings are kept one by one, found by every hyper-parameter, and never made twice."""

import json
from importlib import import_module

import pytest

from opu.errors import InputError


@pytest.fixture
def ledger(papers):
    return import_module("ledger")


def test_a_run_is_found_by_all_of_its_job(ledger, tmp_path):
    book = ledger.Ledger(tmp_path / "new" / "runs.json", "t", {"cpu": "x"})
    job = ledger.Job("bp", {"hidden": (5, 5), "learning_rate": 1e-3}, 0)
    assert book.find("test", job) is None
    book.add("test", job, {"score": 1.5})
    again = ledger.Ledger(tmp_path / "new" / "runs.json", "t")
    assert again.find("test", ledger.Job("bp", {"learning_rate": 1e-3, "hidden": [5, 5]}, 0))["score"] == 1.5
    for other in (
        ledger.Job("dfa", job.hyper, 0),
        ledger.Job("bp", job.hyper, 1),
        ledger.Job("bp", job.hyper | {"learning_rate": 2e-3}, 0),
        ledger.Job("bp", job.hyper | {"momentum": 0.9}, 0),
    ):
        assert again.find("test", other) is None
    assert again.find("validation", job) is None


def test_an_interrupted_list_goes_on_where_it_was(ledger, tmp_path):
    book = ledger.Ledger(tmp_path / "runs.json", "t")
    jobs = [ledger.Job("bp", {}, seed) for seed in range(4)]
    trained = []

    def train(job, stop_at):
        if job.seed == stop_at:
            raise KeyboardInterrupt
        trained.append(job.seed)
        return {"score": 10.0 + job.seed}

    with pytest.raises(KeyboardInterrupt):
        ledger.complete(book, "test", jobs, lambda job: train(job, 2))
    results = ledger.complete(book, "test", jobs, lambda job: train(job, None))
    assert trained == [0, 1, 2, 3]  # none of them twice
    assert [run["score"] for run in results] == [10, 11, 12, 13]
    assert json.loads(book.path.read_text())["test"] == results  # and none lost


def test_tuning_takes_the_best_mean_and_the_first_of_equals(ledger, tmp_path):
    book = ledger.Ledger(tmp_path / "runs.json", "t")
    # Means of two seeds: 1 for a = 1, and 2 for a = 2 and a = 3, though the best single score is that of a = 1.
    scores = {(1, 0): 5, (1, 1): -3, (2, 0): 2, (2, 1): 2, (3, 0): 1, (3, 1): 3}
    given = book, "bp", {"a": 9, "b": 7}, {"a": (1, 2, 3)}, (0, 1)

    def train(job):
        return {"score": scores[job.hyper["a"], job.seed]}

    assert ledger.tune(*given, train) == {"a": 2, "b": 7}
    assert ledger.tune(*given, pytest.fail, min) == {"a": 1, "b": 7}  # all from the file
    document = json.loads(book.path.read_text())
    assert (len(document["validation"]), document["test"]) == (6, [])


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"table": "other"}'])
def test_other_files_are_refused_and_left_alone(ledger, tmp_path, content):
    path = tmp_path / "runs.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"runs\.json holds .*--out"):
        ledger.Ledger(path, "t")
    assert path.read_text() == content
