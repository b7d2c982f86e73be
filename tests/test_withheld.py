"""A task that rules cannot decide takes no other task's score with it, through real lmms-eval."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.instant import InstantEngine, host_results, our_task_manager
from vigos_eval.finish import ScoreWithheld


def evaluated(
    tasks: list[str], run: Path, tiny: Path, engine: InstantEngine, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The host's results of tasks whose answers come at once."""
    args = {"pretrained": tiny, "run": run}
    results = host_results(monkeypatch, engine, args, tasks, task_manager=our_task_manager())
    found: dict[str, Any] = results["results"]
    return found


def test_the_others_are_printed_and_no_mean_is_taken_over_seven(
    tmp_path: Path,
    tiny: Path,
    sample_data: Path,
    instant_engine: InstantEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    host = evaluated(["vigos8"], run, tiny, instant_engine, monkeypatch)
    # The engine says A, B, C, D, A; golds A, C, B, B, 27.
    assert host["mmmu"]["avg@5,none"] == pytest.approx(5 / 25)
    assert math.isnan(host["mm_vet"]["avg@5,none"])
    assert math.isnan(host["vigos8"]["pass@5,none"])
    assert "no score of mm_vet" in capsys.readouterr().err
    assert not (run / "scores.json").exists()
    assert (run / "verdicts.jsonl").exists()


def test_a_run_without_any_score_ends_with_an_error(
    tmp_path: Path,
    tiny: Path,
    sample_data: Path,
    instant_engine: InstantEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ScoreWithheld, match=r"mm_vet \d of 4.*--judge-model NAME"):
        evaluated(["mm_vet"], tmp_path / "run", tiny, instant_engine, monkeypatch)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["partial"] is False


def test_every_rank_hears_what_is_withheld() -> None:
    # Copying takes the error apart and builds it anew, as sending it to another rank does.
    sent = copy.copy(ScoreWithheld("no score", frozenset({"mm_vet"}), False))
    assert (str(sent), sent.labels, sent.is_all) == ("no score", frozenset({"mm_vet"}), False)
