"""The verdict as JUnit XML, as CI servers read it: a failure names its cause; what could not be judged is skipped."""

from __future__ import annotations

from xml.etree import ElementTree

from .suite import Verdict


def junit(verdict: Verdict) -> bytes:
    """One test suite, one test case a check."""
    results = [one.outcome.result for one in verdict.judged]
    suite = ElementTree.Element(
        "testsuite",
        name=f"opu hil {verdict.device}",
        timestamp=verdict.started_utc,
        time=f"{verdict.seconds:.3f}",
        tests=str(len(results)),
        failures=str(results.count("failed")),
        errors="0",
        skipped=str(len([r for r in results if r in ("unjudged", "skipped")])),
    )
    for one in verdict.judged:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"opu.hil.{one.check.group}",
            name=one.check.name.partition(".")[2],
            time=f"{one.seconds:.3f}",
        )
        outcome = one.outcome
        if outcome.result == "failed":
            ElementTree.SubElement(case, "failure", type=outcome.cause, message=_safe(outcome.message))
        elif outcome.result != "passed":
            word = "could not be judged: " if outcome.result == "unjudged" else ""
            ElementTree.SubElement(case, "skipped", message=_safe(word + outcome.message))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _safe(text: str) -> str:
    """Without characters that XML 1.0 cannot hold."""
    return "".join(c for c in text if c in "\t\n" or c >= " ")
