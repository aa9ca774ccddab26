"""What a table says."""

from importlib import import_module
from types import SimpleNamespace

import pytest

from opu.errors import InputError


@pytest.fixture
def table(papers):
    return import_module("table")


def test_mean_and_sample_deviation(table):
    assert table.spread([1.0, 2.0, 6.0]) == "3.00 ± 2.65"  # sqrt((4 + 1 + 9) / 2)
    assert table.spread([97.456], 1) == "97.5"
    assert table.spread([]) == "–"


def test_every_hyper_parameter_is_in_the_table_once(table):
    hypers = [
        {"epochs": 5, "learning_rate": 1e-3, "hidden": [8, 4]},
        {"epochs": 5, "learning_rate": 2e-3, "loss": None},
    ]
    assert table.split(hypers) == (
        {"epochs": 5},
        [{"learning_rate": 1e-3, "hidden": [8, 4]}, {"learning_rate": 2e-3, "loss": None}],
    )
    assert table.split([]) == ({}, [])


def test_sources_are_numbered_and_their_settings_said(table):
    first = table.Arm("a", "first", (table.Published(98.4, "Paper A", "wider"), table.Published(97, "Paper B")))
    second = table.Arm("b", "second", (table.Published(95.8, "Paper A", "real light"),))
    third = table.Arm("c", "third")
    hyper = {"encoding": {"kind": "ternary", "threshold": 0.3}, "epochs": 5}
    lines = [
        table.Line(first, {"epochs": 5}, (1.0, 3.0)),
        table.Line(second, hyper, (7.0,)),
        table.Line(third, hyper, ()),
    ]
    text = table.render("Title", "%", lines)
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines() if row.startswith("|")]
    assert rows[2] == ["first", "2.00 ± 1.41", "2", "98.4 [1], 97 [2]", "–"]
    assert rows[3] == ["second", "7.00", "1", "95.8 [1]", "encoding ternary threshold 0.3"]
    assert rows[4] == ["third", "–", "0", "–", "encoding ternary threshold 0.3"]
    assert text.endswith("All lines: epochs 5.\n[1] Paper A; 98.4: wider; 95.8: real light\n[2] Paper B")
    assert len({len(row) for row in text.splitlines() if row.startswith("|")}) == 1


def test_wrong_choices_are_named(papers, table):
    command = import_module("command")
    arms = [table.Arm("bp", "x"), table.Arm("dfa", "y")]
    assert [arm.name for arm in command.chosen_arms(" dfa, bp,dfa", arms)] == ["dfa", "bp"]
    with pytest.raises(InputError, match="light; choose from bp, dfa"):
        command.chosen_arms("bp,light", arms)
    with pytest.raises(InputError, match="none named"):
        command.chosen_arms(",", arms)
    with pytest.raises(InputError, match="--tuning-seeds 0: must be 1 or more"):
        command.begin(SimpleNamespace(seeds=1, tuning_seeds=0, threads=None))
