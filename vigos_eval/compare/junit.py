"""A decision as a JUnit file, which GitLab, Jenkins and most CI systems show. No verdict is made here."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from vigos_eval.compare.gate import Change, Decision, GateVerdict

# XML 1.0 knows no way to write these; a run's name may hold them.
FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_text(decision: Decision, base: str, candidate: str) -> str:
    """One test case per task, one for the pooled score; REGRESSION fails, CANNOT TELL is skipped.

    The case named ``gate`` carries the whole decision.
    """
    suite = ElementTree.Element("testsuite", name=_clean(f"vigos-eval compare: {candidate}"))
    cases = [("gate", decision.verdict, f"{decision.verdict}: {candidate} against {base}")]
    if not decision.withheld:
        cases += [(c.name, c.verdict, _sentence(c, decision.max_drop)) for c in decision.rows]
    for name, verdict, sentence in cases:
        case = ElementTree.SubElement(
            suite, "testcase", classname=_clean(f"vigos.{base}"), name=_clean(name)
        )
        if verdict is GateVerdict.REGRESSION:
            ElementTree.SubElement(case, "failure", message=_clean(sentence))
        elif verdict is GateVerdict.CANNOT_TELL:
            ElementTree.SubElement(case, "skipped", message=_clean(sentence))
        ElementTree.SubElement(case, "system-out").text = _clean(sentence)
    verdicts = [verdict for _, verdict, _ in cases]
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(verdicts.count(GateVerdict.REGRESSION)))
    suite.set("skipped", str(verdicts.count(GateVerdict.CANNOT_TELL)))
    suite.set("errors", "0")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _sentence(change: Change, max_drop: float) -> str:
    return (
        f"{change.name}: {100 * change.base:.1f} -> {100 * change.candidate:.1f} over "
        f"{change.difference.questions} questions, change {100 * change.difference.value:+.2f} points "
        f"[{100 * change.lower:+.2f}, {100 * change.upper:+.2f}], allowed drop {100 * max_drop:g}, "
        f"p {change.p_value:.3f}: {change.verdict}"
    )


def _clean(text: str) -> str:
    return FORBIDDEN.sub("?", text)
