"""What survives without the image, and ViLP's prior flips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_runs import Model, write_run

from vigos_eval.cli import main
from vigos_eval.report.shortcuts import prior_flips, survivals
from vigos_eval.scored_run import read_run
from vigos_eval.types import Outcome

TASKS = {"mmmu": 200, "vilp_f": 60}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run and its blind control, of one model."""
    root = tmp_path_factory.mktemp("runs")
    model = {"pretrained": "example/model"}
    normal = write_run(root / "seeing", TASKS, Model(accuracy=0.6), settings={"model": model})
    blind = write_run(
        root / "blind",
        TASKS,
        Model(accuracy=0.3),
        seed=1,
        settings={"model": model, "control": "blind"},
    )
    for folder in (normal, blind):
        run = json.loads((folder / "run.json").read_text())
        run["fingerprint_fields"]["model"] = model
        (folder / "run.json").write_text(json.dumps(run))
    return normal, blind


def test_the_surviving_share_is_the_ratio_of_the_two_means(pair: tuple[Path, Path]) -> None:
    normal, blind = map(read_run, pair)
    found = {s.label: s for s in survivals(normal, blind)}["mmmu"]
    a, b = normal.scores.tasks["mmmu"].avg.value, blind.scores.tasks["mmmu"].avg.value
    assert found.surviving.value == pytest.approx(b / a)
    assert found.lost.value == pytest.approx(a - b)
    # Everything survives of a run against itself, with no doubt left.
    same = survivals(normal, normal)[0]
    assert (same.surviving.value, same.surviving.stderr) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_nothing_right_without_the_image_is_no_certain_zero(tmp_path: Path) -> None:
    """0 of 20 survive: Wilson's 1/21, not an error of 0; the prior-flip table says so too."""
    sure = Model(accuracy=1.0, unparsed=0, truncated=0)
    normal = read_run(write_run(tmp_path / "normal", {"mmmu": 20, "vilp_f": 30}, sure))
    never = Model(accuracy=0.0, unparsed=0, truncated=0)
    blind = read_run(write_run(tmp_path / "blind", {"mmmu": 20, "vilp_f": 30}, never))
    found = survivals(normal, blind)[0]
    assert (found.normal, found.control) == (1.0, 0.0)
    assert found.surviving.stderr == pytest.approx(1 / 21)
    assert found.lost.stderr == pytest.approx(2**0.5 / 21)
    (flips,) = prior_flips(normal)
    assert (flips.shares["prior"].value, flips.shares["correct"].value) == (0.0, 1.0)
    assert flips.shares["prior"].stderr == pytest.approx(1 / 11)  # ten rows


def test_the_surviving_shares_error_is_that_of_resampled_questions(pair: tuple[Path, Path]) -> None:
    import numpy as np

    normal, blind = map(read_run, pair)
    found = {s.label: s for s in survivals(normal, blind)}["mmmu"]
    with_image, without = (
        np.array([m.correct / m.attempts for m in run.marks if m.label == "mmmu"])
        for run in (normal, blind)
    )
    draws = np.random.default_rng(0).integers(0, 200, (4000, 200))
    ratios = without[draws].mean(1) / with_image[draws].mean(1)
    assert found.surviving.stderr == pytest.approx(ratios.std(), rel=0.1)


def test_a_control_is_shown_beside_its_run_and_never_as_a_score(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    normal, blind = map(str, pair)
    assert main(["report", normal, blind, "--brief"]) == 0
    text = capsys.readouterr().out
    assert "Without the image: seeing, control blind" in text
    assert text.count("\nScores\n") == 1
    assert "Side by side" not in text
    assert "seeing" in text
    assert "blind (blind)" in text[text.index("ViLP prior flips") :]
    assert main(["report", blind]) == 0
    alone = capsys.readouterr().out
    assert "control blind, not a score" in alone
    assert "Pass@5" not in alone


def test_a_control_of_another_model_is_not_paired(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_run(tmp_path / "other", TASKS, settings={"control": "shuffled"})
    assert main(["report", str(pair[0]), str(other)]) == 0
    text = capsys.readouterr().out
    assert "Without the image" not in text
    assert "other: control shuffled, not a score" in text


@pytest.mark.parametrize("words", [["compare", "--max-drop", "1"], ["export"], ["plot"]])
def test_no_command_takes_a_control_for_a_score(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    normal, blind = map(str, pair)
    folders = [normal, blind] if words[0] == "compare" else [blind]
    assert main([words[0], *folders, *words[1:]]) == 2
    assert "control is 'blind'" in capsys.readouterr().err


def test_prior_flips_are_counted_by_hand(pair: tuple[Path, Path]) -> None:
    """Recount from the verdict file: an answer to image 2 or 3 that is image 1's gold is a flip."""
    run = read_run(pair[0])
    (found,) = prior_flips(run)
    asked = {(p.sample.cluster, p.sample.subgroups["position"]): p for p in run.positioned}
    said = {"correct": 0, "prior": 0, "other": 0, "none": 0}
    flips_when_known = []
    for (row, position), here in asked.items():
        if position == "image1":
            continue
        (answer, outcome), first = here.answers[0], asked[row, "image1"]
        if outcome is Outcome.CORRECT:
            what = "correct"
        elif answer is None:
            what = "none"
        else:
            what = "prior" if answer == first.sample.gold else "other"
        said[what] += 1
        if first.answers[0][1] is Outcome.CORRECT:
            flips_when_known.append(what == "prior")
    assert sum(said.values()) == found.n == 40
    assert said["prior"] > 0
    for what, count in said.items():
        assert found.shares[what].value == pytest.approx(count / 40)
    assert found.prior_when_known.value == pytest.approx(
        sum(flips_when_known) / len(flips_when_known)
    )
