"""JUnit XML: well formed whatever a message holds, and its counts add up."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from opu.hw_tests.check import Check
from opu.hw_tests.junit import junit
from opu.hw_tests.outcome import failed, passed, skipped, unjudged
from opu.hw_tests.suite import Judged, Verdict

OUTCOMES = {"passed": passed, "unjudged": unjudged, "skipped": skipped, "failed": lambda text: failed("a cause", text)}


@given(st.lists(st.tuples(st.sampled_from(sorted(OUTCOMES)), st.text()), max_size=8))
def test_it_is_well_formed(results):
    judged = tuple(
        Judged(Check(f"group.n{i}", "a law", lambda session: passed("")), OUTCOMES[result](text), 0.5, 3)
        for i, (result, text) in enumerate(results)
    )
    (suite,) = ElementTree.fromstring(junit(Verdict("d", "quick", "now", 1.0, judged)))
    assert int(suite.get("tests")) == len(results) == len(suite)
    assert (
        int(suite.get("failures")) == len(suite.findall("testcase/failure")) == sum(r == "failed" for r, _ in results)
    )
    assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
    for case, (result, _) in zip(suite, results, strict=True):
        assert case.get("classname") == "opu.hil.group"
        assert [child.tag for child in case] == {"passed": [], "failed": ["failure"]}.get(result, ["skipped"])


def test_a_failure_names_its_cause():
    check = Check("light.arrives", "a law", lambda session: passed(""))
    judged = (Judged(check, failed("no light arrives", "check the laser"), 0.5, 3),)
    (suite,) = ElementTree.fromstring(junit(Verdict("d", "quick", "now", 1.0, judged)))
    failure = suite.find("testcase/failure")
    assert (failure.get("type"), failure.get("message")) == ("no light arrives", "check the laser")
