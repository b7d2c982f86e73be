"""`vigos-eval grade` and `vigos-eval check`, as a person runs them."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.grading.judge_server import JudgeServer
from tests.grading.samples import record, sample
from vigos_eval.cli import main
from vigos_eval.grading.golds import check_golds
from vigos_eval.protocol import load_protocol
from vigos_eval.records import completion_line, read_verdicts
from vigos_eval.types import AnswerKind, Sample

TUPLE = {
    "source": "s", "id": "1", "question": "q", "options": None, "prediction": "so \\boxed{4}",
    "extracted": None, "gold": "4", "kind": "free", "verdict": True,
}  # fmt: skip


def of_mm_vet(number: int, gold: str, kind: AnswerKind = AnswerKind.TEXT) -> Sample:
    item = sample(kind, gold, question=f"What is picture {number}?")
    return replace(item, task="mm_vet", id=str(number), cluster=str(number))


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Four questions, two of them open."""
    folder = tmp_path / "run"
    folder.mkdir()
    items = [
        record("mm_vet:0", of_mm_vet(0, "5", AnswerKind.NUMBER), r"\boxed{5}", r"\boxed{6}"),
        record("mm_vet:1", of_mm_vet(1, "a cat"), r"\boxed{a cat}", r"\boxed{a cat}"),
        record("mm_vet:2", of_mm_vet(2, "a dog"), r"\boxed{some dog}", r"\boxed{the wolf}"),
        record("mm_vet:3", of_mm_vet(3, "a fig"), r"\boxed{a plum}", "The answer is a fig."),
    ]
    (folder / "completions.jsonl").write_text("".join(map(completion_line, items)), "utf-8")
    settings = {
        "schema": 1,
        "name": "test",
        "protocol": asdict(load_protocol("paper")),
        "fingerprint": "f",
        "fingerprint_fields": {},
        "model": {"pretrained": "none"},
        "engine": "recorded",
        "control": None,
        "partial": False,
        "limit": None,
        "tasks": {"mm_vet": {"source": "paper", "dataset": "d", "revision": None, "split": "test", "questions": 4, "k": 2}},
        "versions": {},
        "started": "2026-01-01T00:00:00",
        "skipped": 0,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(settings), "utf-8")
    return folder


def outcomes(folder: Path) -> dict[str, list[str]]:
    return {key: [a.outcome.value for a in v.attempts] for key, v in read_verdicts(folder).items()}


def test_grade_says_what_is_open_and_keeps_the_score_back(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", str(run_folder)]) == 2
    said = capsys.readouterr()
    assert "8 attempts at 4 questions" in said.out
    assert "ungraded" in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not (run_folder / "scores.json").exists()
    assert outcomes(run_folder)["mm_vet:2"] == ["correct", "ungraded"]


def test_a_judge_added_later_changes_only_what_was_open(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", str(run_folder), "--allow-ungraded"]) == 0
    before = outcomes(run_folder)
    capsys.readouterr()
    with JudgeServer() as server:
        flags = ["--judge-model", "judge-1", "--judge-base-url", server.url]
        assert main(["grade", str(run_folder), *flags]) == 0
        said = capsys.readouterr().out
        assert "mm_vet:2 attempt 2: ungraded -> wrong (judge-1 says wrong)" in said
        assert "2 of 8 verdicts changed" in said
        assert "judge: 2 calls" in said
        assert main(["grade", str(run_folder), *flags]) == 0
        assert "0 of 8 verdicts changed" in capsys.readouterr().out
        assert server.calls == 2
    after = outcomes(run_folder)
    changed = [(k, i) for k in after for i in range(2) if after[k][i] != before[k][i]]
    assert changed == [("mm_vet:2", 1), ("mm_vet:3", 0)]
    assert (run_folder / "scores.json").is_file()


def test_a_judge_that_refuses_the_key_is_named_with_what_it_cost(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with JudgeServer(key="sesame") as server:
        words = ["grade", str(run_folder), "--judge-model", "m", "--judge-base-url", server.url]
        assert main(words) == 2
    said = capsys.readouterr().err
    assert "HTTP 401" in said
    assert "2 calls" in said
    assert "asks it only for what is missing" in said


def test_ctrl_c_is_one_line_and_no_traceback(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vigos_eval.finish.grade_records", interrupted)
    assert main(["grade", str(run_folder)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_another_extraction_is_a_flag(run_folder: Path) -> None:
    assert main(["grade", str(run_folder), "--allow-ungraded", "--extraction", "final_answer"]) == 0
    assert outcomes(run_folder)["mm_vet:3"] == ["ungraded", "correct"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [(["--judge", "llm"], "judge_model"), (["--judge-model", "m", "--judge-base-url", "http://localhost:1/v1", "--judge-key-env", "NO_SUCH_KEY_HERE"], "NO_SUCH_KEY_HERE")],
)  # fmt: skip
def test_a_judge_that_lacks_something_is_an_error_in_one_line(
    run_folder: Path, flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", str(run_folder), *flags]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.strip().splitlines()) == 1


def test_grade_without_a_run_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", str(tmp_path)]) == 2
    assert "run.json" in capsys.readouterr().err


def test_check_accepts_every_gold_of_the_sample_data_and_no_contrast(
    sample_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)
    assert len(checks) == 20
    assert sum(check["questions"] for check in checks) > 100
    assert all(check["contrasts"] >= check["questions"] / 2 for check in checks)


def test_check_names_a_gold_that_the_grader_refuses() -> None:
    good, odd = of_mm_vet(0, "5", AnswerKind.NUMBER), of_mm_vet(1, " ", AnswerKind.NUMBER)
    check = check_golds("mm_vet", [good, odd])
    assert not check.is_sound
    assert [fault.id for fault in check.refused] == ["1"]
    assert check_golds("mm_vet", [good]).is_sound


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_check_prints_the_agreement_with_graded_tuples(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        TUPLE,
        {**TUPLE, "verdict": False},
        {**TUPLE, "extracted": "5", "verdict": True},
        {**TUPLE, "kind": "mcq", "options": ["4", "5"], "gold": "A", "prediction": "Answer: (A)"},
        {**TUPLE, "kind": "text", "gold": "x y", "prediction": "z w"},
    ]
    lines = "\n".join(map(json.dumps, rows)) + "\n"
    path = tmp_path / f"t{suffix}"
    path.write_bytes(gzip.compress(lines.encode()) if suffix.endswith("gz") else lines.encode())
    assert main(["check", "--tuples", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["kind"]: row["n"] for row in found} == {"free": 3, "mcq": 1, "text": 1}
    free, choice, text = found
    assert (free["decided"], free["false_positives"], free["false_negatives"]) == (3, 1, 1)
    assert free["agreement"] == pytest.approx(1 / 3)
    assert choice["agreement"] == 1
    assert (text["undecided"], text["agreement"]) == (1, None)
    assert {"source", "kind", "n", "agreement", "decided", "false_positives", "false_negatives", "undecided",
            "seconds_per_1000", "slowest_s"} == set(free)  # fmt: skip
    assert main(["check", "--tuples", str(path), "--from", "raw", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["false_negatives"] == 0


@pytest.mark.parametrize(
    "line", ["not json", "{}", "[]", '{"source": "s", "kind": "odd", "gold": "1"}', "\x00"]
)
def test_a_line_that_is_no_tuple_is_named(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(TUPLE) + "\n" + line + "\n")
    assert main(["check", "--tuples", str(path)]) == 2
    assert "line 2" in capsys.readouterr().err


def test_a_missing_file_of_tuples_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--tuples", str(tmp_path / "none.gz")]) == 2
    assert "none.gz" in capsys.readouterr().err
