"""The grader on real graded answers, where they lie beside the repository; else skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from vigos_eval.grading.official import mathvision_equal, mmmu_letter
from vigos_eval.grading.pool import POOL
from vigos_eval.grading.tuples import Agreement, agreements, judged, read_tuples

GRADED = Path(__file__).parents[3] / "shared" / "graded"
# Agreement on what rules decide, and the share that they must decide.
AT_LEAST = {
    ("mathvista", "mcq"): (0.999, 1.0),
    ("mathvista", "free"): (0.999, 0.99),
    ("mathvision", "mcq"): (0.995, 1.0),
    ("mathvision", "free"): (0.999, 0.99),
    ("mmmu_pro", "mcq"): (0.995, 1.0),
    ("mmmu_val", "mcq"): (0.995, 1.0),
    ("hardverify_math", "free"): (0.92, 0.95),
    ("math_verify_tests", "free"): (0.96, 0.95),
    ("evouna", "text"): (0.99, 0.5),
}


@pytest.fixture(scope="module")
def measured() -> dict[tuple[str, str], Agreement]:
    files = sorted(GRADED.glob("*.jsonl.gz"))
    if not files:
        pytest.skip("no graded answers beside the repository")
    POOL.warm()
    results = [judged(item, "extracted") for path in files for item in read_tuples(path)]
    return {(row.source, row.kind): row for row in agreements(results)}


@pytest.mark.parametrize("key", list(AT_LEAST), ids="-".join)
def test_the_grader_agrees_with_people_and_scripts(
    key: tuple[str, str], measured: dict[tuple[str, str], Agreement]
) -> None:
    row = measured[key]
    agreement, decided = AT_LEAST[key]
    assert row.agreement >= agreement
    assert row.decided >= decided * row.n
    if key[0] == "hardverify_math":
        assert row.false_positives <= 3
    if key[0] == "evouna":
        assert row.false_negatives == 0  # rules say nothing of a text that does not say the gold


@pytest.mark.parametrize(
    ("response", "letter"),
    [("Answer: (B)", "B"), ("(A) no, (C)", "C"), ("D.", "D"), ("I think it is a tall blue vase here", "B"), ("none", None)],
)  # fmt: skip
def test_mmmu_reads_a_response_as_its_script_does(response: str, letter: str | None) -> None:
    assert mmmu_letter(response, ["a cup", "blue vase", "a tray", "a box"]) == letter


@pytest.mark.parametrize(
    ("gold", "answer", "is_equal"),
    [
        ("B", "b", True),
        ("B", r"\frac{1}{2}", True),
        ("B", "0.5", True),
        ("B", r"\frac12", False),
        ("A", "20 cm", False),
        ("8.0", "8", True),
        ("8", "8 cm", False),
        ("20", "20%", False),
    ],
)
def test_mathvision_compares_as_its_script_does(gold: str, answer: str, is_equal: bool) -> None:
    assert mathvision_equal(gold, [r"$20 \mathrm{~cm}$", r"$\frac{1}{2}$"], answer) == is_equal
