"""`vigos-eval compare`: exit codes, refusals that name the field, and the files it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import Model, write_run

from vigos_eval.cli import main

TASKS = {"mmmu": 300, "mathverse": 300, "vilp_f": 90}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base and checkpoints: one alike, one clearly worse, one short pilot."""
    root = tmp_path_factory.mktemp("runs")
    return {
        "base": write_run(root / "base", TASKS),
        "alike": write_run(root / "alike", TASKS, seed=1),
        "worse": write_run(root / "worse", TASKS, Model(accuracy=0.35), seed=2),
    }


def compared(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    code = main(["compare", *map(str, words)])
    caught = capsys.readouterr()
    return code, caught.out, caught.err


def test_exit_0_pass(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = compared(
        capsys, runs["base"], runs["alike"], "--max-drop", 6, "--tasks", "mmmu,mathverse"
    )
    assert code == 0, out
    assert out.startswith("PASS: alike against base\n")


def test_exit_1_regression_names_what_dropped(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = compared(capsys, runs["base"], runs["worse"], "--max-drop", 1)
    assert code == 1
    assert "REGRESSION: worse against base" in out
    assert "Dropped by more than 1 point: mmmu, mathverse" in out


def test_exit_3_says_what_could_be_seen_and_what_would_decide(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = compared(capsys, runs["base"], runs["alike"], "--max-drop", 0.5)
    assert code == 3
    assert "CANNOT TELL: alike against base" in out
    assert "would have seen a pooled drop of" in out
    assert "What would decide" in out
    assert "points with 80 % chance" in out.replace("\n", " ")


def test_a_run_against_itself_passes_where_it_is_large_enough_to_tell(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = runs["base"], runs["base"], "--tasks", "mmmu,vilp_f", "--max-drop"
    assert compared(capsys, *words, 10)[0] == 0
    code, out, _ = compared(capsys, *words, 1)
    assert code == 3
    said = " ".join(out.split())
    assert (
        "Fewer than 299 independent questions (those about one image or problem count once) cannot "
        "exclude a drop of 1 point, even if every one stayed alike: vilp_f score, vilp_f prior."
    ) in said


def test_vilp_is_gated_by_its_score_and_its_prior(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = compared(capsys, runs["base"], runs["alike"], "--max-drop", 1, "--tasks", "vilp_f")
    assert " vilp_f score   60 " in out
    assert " vilp_f prior   30 " in out


def edit(**settings: Any) -> Callable[[Path], None]:
    """Change keys of run.json; a dotted key goes down."""

    def break_it(folder: Path) -> None:
        run = json.loads((folder / "run.json").read_text())
        for key, value in settings.items():
            *path, last = key.split("__")
            inner = run
            for name in path:
                inner = inner[name]
            inner[last] = value
        (folder / "run.json").write_text(json.dumps(run))

    return break_it


def change_lines(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Change every record of a file."""

    def break_it(folder: Path) -> None:
        records = [json.loads(line) for line in (folder / name).read_text().splitlines()]
        for record in records:
            change(record)
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))

    return break_it


def drop_questions(folder: Path) -> None:
    """Forget four questions in completions and verdicts."""
    for name in ("completions.jsonl", "verdicts.jsonl"):
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join(lines[4:]))


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (edit(protocol__top_k=50), "protocol.top_k is 20 in "),
        (edit(protocol__prompt="{question}"), "protocol.prompt is "),
        (edit(protocol__judge__model="gpt"), "protocol.judge.model is '' in "),
        (edit(partial=True, limit=8), "partial is true (limit 8)"),
        (edit(partial=True, limit=None), "partial is true (not finished); finish it with its own "),
        (edit(control="shuffled"), "control is 'shuffled'"),
        (edit(name=None, protocol=None), "'protocol' is no mapping"),
        (drop_questions, "4 questions are in one run only, e.g. mmmu:0, mmmu:1, mmmu:2; "),
        (
            change_lines("completions.jsonl", lambda r: r["sample"].update(gold="Z")),
            "300 questions have another text, image or gold in the two runs, e.g. mmmu:0, "
            "mmmu:1, mmmu:10; ",
        ),
        (
            change_lines("verdicts.jsonl", lambda r: r.update(grading="judge-2")),
            "grading is 'rules-1' in ",
        ),
    ],
)
def test_runs_that_cannot_be_compared_exit_2_and_name_the_field(
    runs: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    break_it: Callable[[Path], None],
    says: str,
) -> None:
    other = write_run(tmp_path / "other", TASKS, seed=1)
    break_it(other)
    code, out, err = compared(capsys, runs["base"], other, "--max-drop", 1)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_other_numbers_of_attempts_and_other_tasks_exit_2(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fewer = write_run(tmp_path / "fewer", TASKS, settings={"k": 3})
    code, _, err = compared(capsys, runs["base"], fewer, "--max-drop", 1)
    assert code == 2
    assert "k is 5 in " in err
    assert "and 3 in " in err
    more = write_run(tmp_path / "more", {**TASKS, "mmsi": 10})
    code, _, err = compared(capsys, runs["base"], more, "--max-drop", 1)
    assert code == 2
    assert "mmsi is only in " in err
    assert "--tasks mathverse,mmmu,vilp_f" in err
    assert compared(capsys, runs["base"], more, "--max-drop", 9, "--tasks", "mmmu")[0] in (0, 3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--max-drop", "nan"], "--max-drop nan; give points in 0..100"),
        (["--max-drop", "-1"], "--max-drop -1; "),
        (["--max-drop", "1", "--metric", "f1"], "--metric 'f1'; use avg, avg@K or pass@J"),
        (
            ["--max-drop", "1", "--metric", "avg@4"],
            "needs 4 responses per question; mmmu has k=5",
        ),
        (["--max-drop", "1", "--metric", "pass@6"], "needs 6 responses per question"),
        (["--max-drop", "1", "--tasks", "mmmu,chess"], "--tasks 'chess' is not in "),
        (["--max-drop", "1", "--tasks", ","], "--tasks names none; the runs have mathverse, mmmu"),
        (
            ["--max-drop", "1", "--junit", "/dev/null/gate.xml"],
            "--junit /dev/null/gate.xml cannot be written (",
        ),
        (["--max-drop", "1", "--markdown", "/"], "--markdown / cannot be written ("),
        (["--max-drop", "1", "--plot", "/dev/null/a.png"], "figure /dev/null/a.png cannot be "),
    ],
)
def test_usage_errors_exit_2(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    code, _, err = compared(capsys, runs["base"], runs["alike"], *words)
    assert code == 2
    assert says in err


def test_a_log_that_knows_only_ascii_gets_the_verdict_and_its_exit_code(
    runs: dict[str, Path],
) -> None:
    """A traceback would end with 1, which means REGRESSION."""
    words = ["compare", str(runs["base"]), str(runs["base"]), "--max-drop", "9"]
    done = subprocess.run(
        [sys.executable, "-m", "vigos_eval.cli", *words, "--tasks", "mmmu"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"PASS: base against base")


def test_a_missing_max_drop_exits_2(runs: dict[str, Path]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["compare", str(runs["base"]), str(runs["alike"])])
    assert stopped.value.code == 2


def test_more_than_one_percent_ungraded_exits_3_without_a_verdict(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Model(accuracy=0.1, ungraded=0.05)
    half = write_run(tmp_path / "half", TASKS, bad)
    code, out, _ = compared(capsys, runs["base"], half, "--max-drop", 1)
    assert code == 3
    assert "No verdict: more than 1 % of the questions are ungraded." in out
    assert "cand." not in out


def test_runs_without_one_graded_question_exit_3_without_a_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "open", {"mmmu": 20, "mmsi": 20}, Model(ungraded=1.0))
    code, out, _ = compared(capsys, run, run, "--max-drop", 1, "--junit", tmp_path / "gate.xml")
    assert code == 3
    assert "mmmu: 20 of 20 ungraded (100.0 %)" in out
    assert main(["power", str(run), "--drop", "1"]) == 0


def test_junit_and_markdown_say_the_same_as_the_terminal(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit, summary = tmp_path / "gate.xml", tmp_path / "gate.md"
    words = ["--max-drop", "1", "--junit", junit, "--markdown", summary]
    code, out, _ = compared(capsys, runs["base"], runs["worse"], *words)
    assert code == 1
    suite = ElementTree.parse(junit).getroot()[0]
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases["gate"][0] == "failure"
    assert cases["mmmu"][0] == "failure"
    assert suite.get("tests") == str(len(cases)) == "6"
    assert suite.get("failures") == str(sum("failure" in tags for tags in cases.values()))
    text = summary.read_text()
    assert text.startswith("## REGRESSION: worse against base\n")
    rows = [line for line in out.splitlines() if line.startswith(" mmmu ")]
    assert f"| {' | '.join(rows[0].split()[:4])} |" in text


def test_of_several_candidates_the_last_is_gated_and_all_are_plotted(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = tmp_path / "trend.svg"
    words = [runs["base"], runs["worse"], runs["alike"], "--max-drop", 9, "--plot", figure]
    code, out, _ = compared(capsys, *words, "--tasks", "mmmu,mathverse")
    assert code == 0
    assert out.startswith("PASS: alike against base")
    rows = [
        line.split() for line in out[out.index("All candidates") :].splitlines() if "±" not in line
    ]
    assert [row[0] for row in rows if row and row[0] in ("worse", "alike")] == ["worse", "alike"]
    assert figure.read_text().startswith("<?xml")
