"""`vigos-eval report`: what it prints, in every format, and what it refuses to print."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import Model, write_run

from vigos_eval.cli import main
from vigos_eval.metrics import EIGHT
from vigos_eval.report import ReportOptions, report_text
from vigos_eval.report.formats import WIDTH
from vigos_eval.scored_run import read_run

ALL = {**dict.fromkeys(EIGHT, 20), "vilp_f": 30, "vilp_p": 30}
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All nine benchmarks, every question graded."""
    return write_run(tmp_path_factory.mktemp("runs") / "steady", ALL)


def printed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What the command prints; it must succeed."""
    code = main(["report", *map(str, words)])
    caught = capsys.readouterr()
    assert code == 0, caught.err
    return caught.out


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line with which the command refuses; exit code 2."""
    code = main(["report", *map(str, words)])
    caught = capsys.readouterr()
    assert (code, caught.out) == (2, "")
    assert caught.err.count("\n") == 1
    return caught.err


def edited(run: Path, folder: Path, **settings: Any) -> Path:
    """A copy of the run with other settings in run.json."""
    shutil.copytree(run, folder)
    found = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**found, **settings}))
    return folder


@pytest.mark.parametrize(("style", "name"), [("table", "report.txt"), ("md", "report.md")])
def test_the_report_looks_as_it_was_reviewed(run: Path, style: str, name: str) -> None:
    """Golden files: read the diff before accepting one."""
    text = report_text([read_run(run)], ReportOptions(format=style, is_with_passes=True))
    assert text.replace(str(run), "RUN") == (GOLDEN / name).read_text(encoding="utf-8")


def test_the_terminal_report_fits_into_100_columns(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long_name = edited(run, tmp_path / "b", name="Qwen2.5-VL-7B-Instruct-0123456789ab" * 3)
    text = printed(capsys, run, long_name, "--paper", "ViGOS-7B", "--passes")
    assert max(map(len, text.splitlines())) <= WIDTH
    official = write_run(tmp_path / "c", {"realworldqa_official": 20, "mmmu_official": 20})
    text = printed(capsys, official)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert " realworldqa_official  " in text  # the longest name, and it is not folded


def test_every_number_in_the_table_is_the_one_in_the_scores(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, run, "--brief")
    task = read_run(run).scores.tasks["mmsi"]
    cells = next(line for line in text.splitlines() if line.startswith(" mmsi ")).split()
    assert cells == [
        "mmsi",
        "20",
        f"{100 * task.passes[4].value:.1f}",
        f"±{100 * task.passes[4].stderr:.1f}",
        f"{100 * task.avg.value:.1f}",
        f"±{100 * task.avg.stderr:.1f}",
        "0",
        f"{100 * task.unparsed:.1f}",
        f"{100 * task.truncated:.1f}",
        f"{100 * task.format_valid:.1f}",
        f"{task.mean_tokens:.0f}",
    ]


def test_json_and_csv_hold_the_same_numbers(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, run, "--format", "json"))["runs"][0]
    lines = list(csv.DictReader(io.StringIO(printed(capsys, run, "--format", "csv"))))
    by_name = {(row["task"], row["group"], row["metric"]): row for row in lines}
    assert len(by_name) == len(lines)
    for label in EIGHT:
        avg = found["tasks"][label]["avg"]
        assert float(by_name[label, "", "avg@5"]["value"]) == avg["value"]
        assert float(by_name[label, "", "avg@5"]["stderr"]) == avg["stderr"]
    assert by_name["mmmu", "subject=Math", "pass@5"]["value"]
    assert by_name["vilp_f", "", "score"]["value"] == str(
        found["tasks"]["vilp_f"]["vilp"]["word"]["score"]["value"]
    )
    assert (
        float(by_name["mean of eight", "", "pass@5"]["value"]) == found["means"]["pass@5"]["value"]
    )


def test_latex_escapes_what_latex_reads_as_commands(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = edited(run, tmp_path / "b", name="\\input{/etc/passwd}\n\\evil_100%")
    text = printed(capsys, run, evil, "--format", "latex", "--paper", "ViGOS-7B")
    assert "cv\\_bench & 20 &" in text
    code = [line for line in text.splitlines() if not line.startswith("%")]
    assert "\\textbackslash{}input\\{/etc/passwd\\}" in "\n".join(code)
    assert not any("\\input" in line or "\\evil" in line for line in code)
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") > 4
    # "≤" stops pdflatex, "[" after a row's end opens an argument, "-" is a hyphen.
    assert "$\\pm$$\\leq$" in text
    assert " & {[}1] Pass@k &" in text
    assert ".. $-$" in text
    assert code == [line for line in code if line.isascii()]
    assert "  \\caption{Scores: steady}" in code


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_latex_report_compiles(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = edited(run, tmp_path / "b", name='[\\input{x}] $1 & 100% #_^~{|<>"')
    tables = printed(capsys, run, evil, "--format", "latex", "--paper", "ViGOS-7B", "--passes")
    head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\tiny\n"
    (tmp_path / "t.tex").write_text(head + tables + "\\end{document}\n", encoding="utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1500:]


def test_names_with_markup_show_as_text(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = edited(run, tmp_path / "b", name="[red]a|b<script>*")
    lines = (evil / "completions.jsonl").read_text().replace('"Physics"', '"[b]Physics[/b]"')
    (evil / "completions.jsonl").write_text(lines)
    text = printed(capsys, evil)
    assert "[red]a|b<script>*" in text
    assert " [b]Physics[/b] " in text
    assert "\\[red\\]a\\|b&lt;script&gt;\\*" in printed(capsys, evil, "--format", "md")


def test_above_one_percent_ungraded_no_score_is_printed_in_any_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_run = write_run(tmp_path / "r", {"mmmu": 60, "mmsi": 60}, Model(ungraded=0.2), seed=3)
    ungraded = read_run(open_run).scores.tasks["mmmu"].ungraded
    assert ungraded > 1
    text = printed(capsys, open_run)
    row = next(line for line in text.splitlines() if line.startswith(" mmmu "))
    assert row.split()[:5] == ["mmmu", "60", "withheld", "withheld", str(ungraded)]
    assert "--allow-ungraded" in text
    found = json.loads(printed(capsys, open_run, "--format", "json"))["runs"][0]["tasks"]["mmmu"]
    assert found["withheld"] is True
    assert found["avg"] is found["passes"] is found["subgroups"] is None
    lines = csv.DictReader(io.StringIO(printed(capsys, open_run, "--format", "csv")))
    assert {row["value"] for row in lines if row["metric"].startswith(("avg", "pass"))} == {""}
    allowed = printed(capsys, open_run, "--allow-ungraded")
    assert "withheld" not in allowed.split("More than")[0]


def test_a_withheld_score_does_not_come_back_through_the_diagnostics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The flip table's "right" is the ViLP Score, the control's table holds Avg@k."""
    tasks, model = {"mmmu": 60, "vilp_f": 60}, {"model": {"pretrained": "m"}}
    same = {**model, "fingerprint_fields": model}
    run = write_run(tmp_path / "r", tasks, Model(ungraded=0.2), settings=same)
    blind = write_run(tmp_path / "b", tasks, settings={**same, "control": "blind"})
    text = printed(capsys, run, blind, "--brief")
    assert "Withheld, more than 1 % ungraded: mmmu, vilp_f." in text
    assert [line for line in text.splitlines() if line.startswith((" mmmu ", " r "))] == [
        line for line in text.splitlines() if "withheld   withheld" in line and " mmmu " in line
    ]
    found = json.loads(printed(capsys, run, blind, "--format", "json"))["runs"]
    assert found[0]["prior_flips"] == found[1]["survives"]["tasks"] == []
    allowed = printed(capsys, run, blind, "--brief", "--allow-ungraded")
    assert allowed.count(" mmmu ") == 2


def test_a_mean_over_a_withheld_score_is_withheld(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_run = write_run(tmp_path / "r", dict.fromkeys(EIGHT, 30), Model(ungraded=0.1))
    mean = next(line for line in printed(capsys, open_run).splitlines() if "mean of" in line)
    assert mean.split() == ["mean", "of", "eight", "withheld", "withheld"]


def test_runs_stand_side_by_side_and_different_protocols_are_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_run(tmp_path / "release", ALL, settings={"protocol": "release"})
    text = printed(capsys, run, other, "--brief")
    side = text[text.index("Side by side") :]
    assert "differ in top_k, vilp_repeats: these columns do not compare" in side
    assert "[1] steady" in side
    assert "[2] release" in side


def test_a_half_finished_task_and_an_empty_one_are_marked_in_the_rest_of_the_report(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = json.loads((run / "run.json").read_text())["tasks"]
    tasks["mmmu"]["questions"] = 895
    tasks["new_bench"] = {**tasks["mmmu"], "questions": 7}
    text = printed(capsys, edited(run, tmp_path / "b", tasks=tasks, partial=True, limit=20))
    assert " mmmu * " in text
    assert "* mmmu: partial (--limit 20): 20 of 895 questions" in text
    assert "* new_bench: empty: no question was asked" in text
    assert "PARTIAL (limit 20)" in text


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda f: shutil.rmtree(f), "is not a folder"),
        (lambda f: (f / "run.json").unlink(), "run.json is missing"),
        (lambda f: (f / "run.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "run.json").write_text("{}"), "has no 'name': it is half-written"),
        (lambda f: (f / "run.json").write_text("[]"), "has no 'name'"),
        (lambda f: (f / "completions.jsonl").unlink(), "holds no completions.jsonl"),
        (lambda f: (f / "verdicts.jsonl").unlink(), "make it with: vigos-eval grade"),
        (lambda f: (f / "verdicts.jsonl").write_text(""), "no verdict; grade the run again"),
        (lambda f: (f / "verdicts.jsonl").write_text('{"key": 1}\n'), "line 1 is damaged"),
        (lambda f: cut_completions(f), "verdicts have no completion, e.g. "),
        (lambda f: set_tokens(f, math.nan), "a token count that is no number"),
    ],
)
def test_a_broken_run_folder_ends_in_one_line_that_says_what_to_do(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], break_it: Any, says: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    break_it(broken)
    message = refused(capsys, run, broken)
    assert says in message
    assert str(broken) in message


def cut_completions(folder: Path) -> None:
    """Leave the first ten completions and a torn eleventh."""
    lines = (folder / "completions.jsonl").read_text().splitlines(keepends=True)
    (folder / "completions.jsonl").write_text("".join(lines[:10]) + lines[10][:50])


def set_tokens(folder: Path, tokens: float) -> None:
    """Give the first response this token count."""
    lines = (folder / "completions.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    first["responses"][0]["tokens"] = tokens
    text = "\n".join([json.dumps(first), *lines[1:]]) + "\n"
    (folder / "completions.jsonl").write_text(text)


def test_a_run_without_lmms_eval_torch_or_network_is_reported(run: Path) -> None:
    import sys

    code = (
        "import sys; sys.modules.update(dict.fromkeys("
        "['lmms_eval', 'torch', 'transformers', 'vllm', 'datasets'])); "
        "import socket; socket.socket.connect = None; "
        f"from vigos_eval.cli import main; sys.exit(main(['report', {str(run)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "mean of eight" in done.stdout


def test_after_a_regrading_the_report_names_the_judge_that_graded(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    regraded = tmp_path / "b"
    shutil.copytree(run, regraded)
    assert main(["grade", str(regraded), "--extraction", "final_answer", "--allow-ungraded"]) == 0
    protocol = json.loads((regraded / "run.json").read_text())["protocol"]
    assert (protocol["extraction"], protocol["judge"]["mode"]) == ("final_answer", "rules")
    capsys.readouterr()
    assert main(["compare", str(run), str(regraded), "--max-drop", "1"]) == 2
    assert "protocol.extraction is 'boxed'" in capsys.readouterr().err


def test_a_run_of_vilp_alone_shows_what_share_had_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "vilp", {"vilp_f": 30}, Model(unparsed=1.0, truncated=0.0))
    rows = [line.split() for line in printed(capsys, tmp_path / "vilp", "--brief").splitlines()]
    assert next(row for row in rows if row[:2] == ["vilp_f", "30"])[2:6] == ["—", "—", "0", "100.0"]
