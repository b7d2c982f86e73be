"""The sample data is what its script makes, has the real field names, and its recorded answers count right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from vigos_eval.benchmarks import benchmark, labels, load_rows, questions, sample_from_row
from vigos_eval.extract import parse_response
from vigos_eval.grading import grade
from vigos_eval.grading.run import grade_records
from vigos_eval.metrics import run_scores
from vigos_eval.protocol import JudgeSettings
from vigos_eval.records import CompletionRecord, Response
from vigos_eval.scores import TaskScore
from vigos_eval.types import Outcome, Sample

DATA = Path(__file__).parent / "data"
OFFICIAL_FIELDS = {
    "MMMU/MMMU": {"id", "question", "options", *(f"image_{n}" for n in range(1, 8)), "answer", "question_type"},
    "MMMU/MMMU_Pro/vision": {"id", "image", "options", "answer"},
    "AI4Math/MathVerse": {"sample_index", "problem_index", "problem_version", "question", "question_for_eval",
                          "query_wo", "query_cot", "answer", "question_type", "image", "metadata"},
    "AI4Math/MathVista": {"pid", "question", "query", "choices", "unit", "precision", "answer", "answer_type",
                          "question_type", "decoded_image", "metadata"},
    "RunsenXu/MMSI-Bench": {"id", "images", "question_type", "question", "answer", "thought"},
    "xai-org/RealworldQA": {"image", "question", "answer"},
    "nyu-visionx/CV-Bench": {"idx", "type", "task", "image", "question", "choices", "answer", "prompt", "source"},
    "ViLP/ViLP": {"question", "image1", "answer1", "image2", "answer2", "image3", "answer3"},
    "whyu/mm-vet": {"image", "question", "answer"},
    "zli12321": {"problem", "images", "answer", "problem_id"},
}  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """One line of recorded.jsonl."""

    label: str
    row: int
    is_correct: bool
    text: str


RECORDED = [
    Recorded(**json.loads(line)) for line in (DATA / "recorded.jsonl").read_text().splitlines()
]


def sample_of(label: str, row: int) -> Sample:
    return sample_from_row(label, load_rows(label)[row], row)


@pytest.mark.parametrize("folder", OFFICIAL_FIELDS)
def test_every_file_has_the_real_field_names(folder: str) -> None:
    files = list((DATA / "sample" / folder).rglob("*.parquet"))
    assert files
    for file in files:
        assert set(pq.read_schema(file).names) >= OFFICIAL_FIELDS[folder]


def test_the_data_is_small_and_complete(sample_data: Path) -> None:
    assert sum(path.stat().st_size for path in sample_data.rglob("*.*")) < 3_000_000
    assert len(labels()) == 20
    for label in labels():
        assert len(load_rows(label)) >= 4, label
    assert len(benchmark("mmmu_pro").parts) == 2
    assert max(len(sample.images) for sample in questions("mmsi")) == 3
    assert max(len(sample.images) for sample in questions("mmmu_official")) == 2
    versions = {sample.subgroups["version"] for sample in questions("mathverse_official")}
    assert len(versions) == 5


def test_the_script_makes_the_same_data_again(tmp_path: Path, sample_data: Path) -> None:
    script = DATA / "make_sample_data.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    made = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*.parquet")}
    kept = {path.relative_to(sample_data) for path in sample_data.rglob("*.parquet")}
    assert made.keys() == kept
    assert len(made) == 22
    for name, path in made.items():
        # Rows, pictures' bytes included; a parquet's own bytes name the library that wrote it.
        assert pq.read_table(path).to_pylist() == pq.read_table(sample_data / name).to_pylist(), (
            name
        )


@pytest.mark.parametrize("label", labels())
def test_every_gold_is_accepted_as_its_own_answer(label: str, sample_data: Path) -> None:
    for sample in questions(label):
        verdict = grade(sample.gold, sample)
        assert verdict.outcome is Outcome.CORRECT, (sample.id, sample.gold, verdict)


@pytest.mark.parametrize("label", labels())
def test_each_task_has_a_recorded_right_and_wrong_answer(label: str, sample_data: Path) -> None:
    lines = [line for line in RECORDED if line.label == label]
    assert {line.is_correct for line in lines} == {True, False}
    for line in lines:
        answer = parse_response(line.text)
        # Without a judge no rule calls free text wrong: MM-Vet's wrong response has no answer.
        assert answer.is_format_valid or (label.startswith("mm_vet") and not line.is_correct)
        verdict = grade(answer.text, sample_of(label, line.row))
        expected = Outcome.CORRECT if line.is_correct else Outcome.WRONG
        assert verdict.outcome is expected, (line.text[-40:], verdict)


def answered(label: str, row: int, texts: Sequence[str], number: int) -> CompletionRecord:
    """A question as a run would hold it; the same row may stand in for several questions."""
    sample = replace(sample_of(label, row), images=(), cluster=f"c{number}")
    key = f"{label}:{number:05d}:{sample.id}"
    responses = tuple(Response(text, 9, "stop", 42 + n) for n, text in enumerate(texts))
    return CompletionRecord(key, "p", sample, (), 10, responses)


def scored(records: Sequence[CompletionRecord], label: str) -> TaskScore:
    """One task's scores, from completions as a run computes them."""
    by_key = {record.key: record for record in records}
    graded = grade_records(by_key, "boxed", JudgeSettings(), Path("unused"))
    return run_scores(by_key, graded.verdicts).tasks[label]


@pytest.mark.parametrize("label", [n for n in labels() if not n.startswith(("vilp", "cv_bench_o"))])
def test_pass_and_avg_of_recorded_answers_by_hand(label: str, sample_data: Path) -> None:
    """Four questions with 5, 1, 0 and 2 right answers of five.

    Pass@5 = (1 + 1 + 0 + 1) / 4 = 0.75; Avg@5 = (5 + 1 + 0 + 2) / 20 = 0.4.
    Pass@2 = (1 + (1 - 6/10) + 0 + (1 - 3/10)) / 4 = 0.525.
    """
    right = next(line for line in RECORDED if line.label == label and line.is_correct)
    wrong = next(line for line in RECORDED if line.label == label and not line.is_correct)
    records = [
        answered(label, right.row, [right.text] * n + [wrong.text] * (5 - n), number)
        for number, n in enumerate((5, 1, 0, 2))
    ]
    found = scored(records, label)
    assert (found.k, found.graded) == (5, 4)
    assert found.passes[4].value == pytest.approx(0.75)
    assert found.avg.value == pytest.approx(0.4)
    assert found.passes[1].value == pytest.approx(0.525)


@pytest.mark.parametrize("label", [n for n in labels() if n.startswith("vilp")])
def test_score_and_prior_of_recorded_answers_by_hand(label: str, sample_data: Path) -> None:
    """Image 1 right once in two rows: Prior = 1/2. Images 2 and 3 right thrice in four: Score = 3/4."""
    texts = {(line.row, line.is_correct): line.text for line in RECORDED if line.label == label}
    # Position follows the row: 0 is image 1, 1 is image 2. The recorded row 1 stands in for image 3.
    plan = [(0, True), (0, False), (1, True), (1, True), (1, True), (1, False)]
    records = [
        answered(label, row, [texts[row, is_right]], number)
        for number, (row, is_right) in enumerate(plan)
    ]
    for rule in ("word", "vilp_rule"):
        found = scored(records, label).vilp[rule]
        assert found["prior"].value == pytest.approx(1 / 2)
        assert found["score"].value == pytest.approx(3 / 4)


def test_the_official_cv_bench_figure_by_hand(sample_data: Path) -> None:
    """Of five: ADE20K 5 and 1 right, COCO 0, Omni3D 2.

    Pass@5: 2D = (1 + 0) / 2, 3D = 1, together 0.75. Avg@5: 2D = (0.6 + 0) / 2, 3D = 0.4,
    together 0.35.
    """
    label = "cv_bench_official"
    texts = {line.is_correct: line.text for line in RECORDED if line.label == label}
    plan = [("ADE20K", 5), ("ADE20K", 1), ("COCO", 0), ("Omni3D", 2)]
    records = []
    for number, (source, right) in enumerate(plan):
        record = answered(label, 0, [texts[True]] * right + [texts[False]] * (5 - right), number)
        subgroups = {**record.sample.subgroups, "source": source}
        records.append(replace(record, sample=replace(record.sample, subgroups=subgroups)))
    found = scored(records, label)
    assert found.passes[4].value == pytest.approx(0.75)
    assert found.avg.value == pytest.approx(0.35)
