"""docs/hil.md says what the code does."""

import json
import re
from pathlib import Path

from opu.hw_tests.catalogue import CHECKS
from opu.hw_tests.matrix import QUICK
from opu.hw_tests.sick import CATALOGUE
from opu.hw_tests.tables import checks_table, limits_table

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "hil.md").read_text(encoding="utf-8")


def part(name):
    return re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", DOCS, re.DOTALL).group(1)


def rows(table, n_columns=None):
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]][:n_columns] for line in lines]


def test_the_limits_are_those_of_the_code():
    assert part("limits") == limits_table(), "run: opu hil limits"


def test_the_checks_are_those_of_the_code():
    assert rows(part("checks"), 5)[2:] == rows(checks_table())[2:], "run: opu hil checks --markdown --report RUN"
    assert len(rows(checks_table())) == len(CHECKS) + 2


def test_the_matrix_has_a_row_for_every_sickness_and_a_column_for_every_group():
    head, _, *found = rows(part("matrix"))
    assert head[3:] == list(dict.fromkeys(check.group for check in QUICK))
    assert [row[0] for row in found] == [one.name for one in CATALOGUE]
    assert "MISSED" not in part("matrix")


def test_the_false_alarms_are_those_measured():
    kept = json.loads((ROOT / "benchmarks" / "results" / "hil-false-alarms.json").read_text(encoding="utf-8"))["rates"]
    found = {tuple(row[:2]): row[2:5] for row in rows(part("alarms"))[2:]}
    assert found == {(r["route"], r["preset"]): [str(r["devices"]), str(r["trained"]), str(r["alarms"])] for r in kept}


def test_the_command_prints_them(here):
    assert here("hil", "limits")[1] == limits_table()
    assert here("hil", "checks", "--markdown")[1] == checks_table()
