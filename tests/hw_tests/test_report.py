"""The report: one file, nothing fetched, nothing of a message taken for HTML."""

import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
from opu.hw_tests.check import Check
from opu.hw_tests.outcome import failed, passed
from opu.hw_tests.report import html
from opu.hw_tests.suite import Judged, Verdict

from opu.characterization.quantity import Quantity

VOID = {"meta", "br", "img"}


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.pictures = [], 0

    def handle_starttag(self, tag, attributes):
        self.pictures += tag == "img"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_it_is_one_file_with_its_pictures_and_no_other_s_markup(recorder):
    def draw(axes):
        axes.plot([1, 2])

    check = Check("a.b", "a law <of> physics", lambda session: passed(""))
    judged = (
        Judged(check, passed("well", draw=draw, figure=Quantity(1.0, 0.1)), 1.0, 5),
        Judged(check, failed("a <cause>", "<script>alert(1)</script>", draw=draw), 1.0, 5),
    )
    changes = [("a.b", "1 <DN>", "2 DN", 3.0)]
    text = html(Verdict("lab <1>", "quick", "now", 1.0, judged), recorder.spec, changes)
    page = Balanced()
    page.feed(text)
    assert page.open == []
    assert page.pictures == 2
    assert "<script>" not in text
    assert not re.findall(r"https?://", text)
    assert text.index("a &lt;cause&gt;") < text.index("Every check")
    assert "Since the baseline" in text
    assert not plt.get_fignums()
