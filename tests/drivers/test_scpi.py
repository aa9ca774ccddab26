"""The table agrees with itself, with its handlers and with its page."""

import re
from collections import Counter
from pathlib import Path

import pytest
from opu.drivers.reference import reference_page
from opu.drivers.scpi import BY_NAME, COMMANDS, HEADERS, compose, spellings
from opu.drivers.service import HANDLERS


def test_every_command_has_a_handler_and_every_handler_a_command():
    assert HANDLERS.keys() == BY_NAME.keys()


def test_names_and_spellings_are_unique():
    assert len(BY_NAME) == len(COMMANDS)
    counts = Counter(spelling for command in COMMANDS for spelling in spellings(command.header))
    assert not [spelling for spelling, n in counts.items() if n > 1]
    assert HEADERS.keys() == counts.keys()


def test_queries_and_only_queries_have_replies():
    assert [command.name for command in COMMANDS if command.is_query != bool(command.reply)] == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("*IDN?", {"*IDN?"}),
        (
            "SYSTem:ERRor[:NEXT]?",
            {f"{s}:{e}{n}?" for s in ("SYST", "SYSTEM") for e in ("ERR", "ERROR") for n in ("", ":NEXT")},
        ),
        ("LASer[:STATe]?", {"LAS?", "LASER?", "LAS:STAT?", "LAS:STATE?", "LASER:STAT?", "LASER:STATE?"}),
    ],
)
def test_spellings_are_long_and_short_with_and_without_optional_nodes(header, expected):
    assert set(spellings(header)) == expected


def test_short_forms_follow_the_rule_of_scpi():
    """Four letters, or three if the fourth is a vowel (SCPI-99 volume 1, 6.2.1)."""
    for command in COMMANDS:
        for node in re.findall(r"[A-Za-z]+", command.header.lstrip("*")) if command.header[0] != "*" else []:
            name = node.upper()
            short = name if len(name) <= 4 else name[:3] if name[3] in "AEIOU" else name[:4]
            assert "".join(c for c in node if c.isupper()) == short, command.header


def test_compose_writes_floats_that_come_back_to_the_bit():
    assert compose("configure", 0.1, None, True) == ":ACQ:CONF? 0.1,DEF,1"
    assert compose("identity") == "*IDN?"


def test_the_page_is_up_to_date():
    page = Path(__file__).parents[2] / "docs" / "scpi.md"
    assert page.read_text() == reference_page(), "run: python -m opu.drivers.reference > docs/scpi.md"
