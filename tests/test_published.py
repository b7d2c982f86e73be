"""The published figures in the package, our own beside them, and what differs from the protocol."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from synthetic_runs import Model, write_run

from vigos_eval.cli import main
from vigos_eval.errors import ConfigError, RunFolderError
from vigos_eval.metrics import EIGHT
from vigos_eval.report.published import compared_with_paper, figures, published_cells
from vigos_eval.report.reproduction import conditions
from vigos_eval.scored_run import read_run

FACTS = Path(__file__).parents[2] / "shared" / "spec" / "paper_results.json"
DATASETS = {label: {"dataset": name} for label, name in figures()["datasets"].items()}


def test_the_package_holds_the_published_facts_unchanged() -> None:
    if not FACTS.is_file():
        pytest.skip(f"{FACTS} is not there: the facts as they were handed over")
    facts = json.loads(FACTS.read_text())
    assert figures()["models"].keys() == facts["main"].keys()
    for model, rows in facts["main"].items():
        cells = figures()["models"][model]["cells"]
        for label, (best, avg) in zip(facts["order"], rows, strict=True):
            assert cells[label] == {"pass@5": best, "avg@5": avg}
        for task, key in (("vilp_f", "f"), ("vilp_p", "p")):
            score, prior = facts["vilp"][model][key]
            assert cells[task] == {"score": score, "prior": prior}
    assert figures()["questions"] == facts["rows_used"]


def test_eleven_of_the_twelve_printed_means_follow_from_their_own_eight_figures() -> None:
    slips = []
    for name, model in figures()["models"].items():
        for metric, printed in (model["printed_mean"] or {}).items():
            (ours,) = [
                cell.value
                for cell in published_cells(name)
                if (cell.label, cell.metric) == ("mean of eight", metric)
            ]
            if abs(100 * ours - printed) > 0.0051:
                slips.append((name, metric, printed, round(100 * ours, 2)))
    assert slips == [("OPSD-7B", "pass@5", 74.11, 74.61)]


def test_the_published_error_is_binomial_in_the_published_questions() -> None:
    cells = {(c.label, c.metric): c for c in published_cells("ViGOS-7B")}
    assert cells["mm_vet", "pass@5"].stderr == pytest.approx(math.sqrt(0.7202 * 0.2798 / 218))
    assert cells["vilp_f", "score"].stderr == pytest.approx(math.sqrt(0.6267 * 0.3733 / 600))
    assert cells["vilp_f", "prior"].stderr == pytest.approx(math.sqrt(0.97 * 0.03 / 300))


def test_a_model_without_published_figures_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'GPT' has no published figures; use one of .*ViGOS-7B"):
        published_cells("GPT")


def test_each_cell_says_higher_lower_or_consistent_by_its_interval(tmp_path: Path) -> None:
    """MMSI publishes 25.58, RealWorldQA 62.88, MathVista 58.78: 58 % is higher, lower, consistent."""
    run = read_run(
        write_run(
            tmp_path / "r",
            {"mmsi": 900, "realworldqa": 900, "mathvista": 900},
            Model(accuracy=0.61),
        )
    )
    found = {(c.cell.label, c.cell.metric): c for c in compared_with_paper(run, "ViGOS-7B", False)}
    verdicts = {label: found[label, "avg@5"].verdict for label in ("mmsi", "mathvista")}
    assert verdicts == {"mmsi": "higher", "mathvista": "consistent"}
    cell = found["realworldqa", "avg@5"]
    ours = run.scores.tasks["realworldqa"].avg
    assert cell.verdict == "lower"
    assert cell.difference == pytest.approx(ours.value - 0.6288)
    reach = 1.96 * math.hypot(ours.stderr, math.sqrt(0.6288 * 0.3712 / 765))
    assert (cell.low, cell.high) == pytest.approx(
        (cell.difference - reach, cell.difference + reach), abs=1e-5
    )
    assert ("mean of eight", "avg@5") not in found, "three benchmarks have no mean of eight"


def test_partial_runs_and_controls_are_never_beside_the_paper(tmp_path: Path) -> None:
    for name, settings, says in [
        ("p", {"partial": True, "limit": 8}, r"partial is true \(limit 8\)"),
        ("c", {"control": "blind"}, r"is a control \(blind\)"),
    ]:
        run = read_run(write_run(tmp_path / name, {"mmsi": 10}, settings=settings))
        with pytest.raises(RunFolderError, match=says):
            compared_with_paper(run, "ViGOS-7B", False)


def test_a_task_of_one_cluster_claims_nothing(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "r", {"mmsi": 1}))
    assert {c.verdict for c in compared_with_paper(run, "ViGOS-7B", False)} == {"unknown"}


def test_what_differs_from_the_protocol_is_named(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path / "r", {"mmmu": 20, "mmsi_official": 20}, settings={"protocol": "release"}
    )
    found = {c.what: c for c in conditions(read_run(folder), "ViGOS-7B")}
    assert {name for name, c in found.items() if c.state == "differs"} == {
        "top_k",
        "vilp_repeats",
        "judge",
        "mmmu: data",
        "mmmu: rows",
        "mmsi_official: data",
        "mmsi_official: rows",
        "checkpoint",
    }
    assert (found["top_k"].paper, found["top_k"].here) == ("20", "50")
    assert found["mmmu: revision"].state == "not published"


def test_a_run_like_the_papers_differs_in_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path / "r", {"mm_vet": 218, "realworldqa": 765})
    run = json.loads((folder / "run.json").read_text())
    for label, facts in run["tasks"].items():
        facts["dataset"] = DATASETS[label]["dataset"]
    run["model"] = {"pretrained": "someone/ViGOS-7B"}
    run["protocol"]["judge"] |= {"mode": "llm", "model": "deepseek-v4-flash"}
    (folder / "run.json").write_text(json.dumps(run))
    states = [c.state for c in conditions(read_run(folder), "ViGOS-7B")]
    assert "differs" not in states
    assert main(["report", str(folder), "--paper", "ViGOS-7B"]) == 0
    text = capsys.readouterr().out
    assert "conditions that are published are the same" in text
    assert "Not published, so nobody can check: chat_template, max_pixels" in text


def test_two_runs_of_one_name_keep_their_own_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [
        str(
            write_run(
                tmp_path / f"r{i}",
                {"mmsi": 40},
                Model(accuracy=0.2 + 0.6 * i),
                settings={"name": "run"},
            )
        )
        for i in range(2)
    ]
    assert main(["report", *folders, "--paper", "ViGOS-7B", "--format", "json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    for run in runs:
        cells = {c["cell"]["metric"]: c["ours"]["value"] for c in run["paper"]["cells"]}
        assert cells["avg@5"] == run["tasks"]["mmsi"]["avg"]["value"]
    assert runs[0]["tasks"]["mmsi"]["avg"]["value"] < runs[1]["tasks"]["mmsi"]["avg"]["value"]


def test_every_benchmark_has_its_published_cells_and_rows() -> None:
    assert set(EIGHT) | {"vilp_f", "vilp_p"} == set(figures()["datasets"])
    for model in figures()["models"].values():
        assert set(model["cells"]) == set(figures()["datasets"])
