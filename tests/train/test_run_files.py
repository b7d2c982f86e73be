"""What a run tells other people's trackers, and what a killed run's log still says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vigos_eval.errors import ConfigError
from vigos_train.config import OutputConfig
from vigos_train.run_files import RunFiles, open_run_files

LINE = {
    "row": "7",
    "text": "two cats",
    "answer": "2",
    "is_valid": False,
    "missing": "</think>",
    "kl": {"fallback": 0.25},
}


@pytest.fixture(autouse=True)
def _accelerate() -> None:
    from accelerate import PartialState

    PartialState()  # accelerate's trackers log through it


def opened(folder: Path, *report_to: str, done: int = 0) -> RunFiles:
    output = OutputConfig(folder=str(folder), report_to=report_to, table_rows=0)
    return open_run_files(folder, output, {"lora.rank": 4}, done, 10)


def test_rollouts_go_as_a_table_to_trackers_that_show_tables(tmp_path: Path) -> None:
    class Tables:
        shown: tuple[Any, ...] = ()

        def log_table(self, name: str, columns: list[str], rows: Any, step: int) -> None:
            self.shown = (name, columns, rows, step)

    files, tables = opened(tmp_path), Tables()
    files.trackers = [tables, object()]
    files.log_rollouts(3, [LINE])
    assert tables.shown == (
        "rollouts",
        ["row", "text", "reference", "format", "mean KL"],
        [["7", "two cats", "2", "lacks </think>", "fallback 0.250"]],
        3,
    )


def test_tensorboard_forgets_what_was_logged_beyond_the_checkpoint(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for done, value in ((0, 1.0), (2, 5.0)):  # killed after step 4, resumed from step 2
        files = opened(tmp_path, "tensorboard", done=done)
        for step in range(done + 1, 5):
            files.log_step(step, {"loss": value})
        files.close()
    events = EventAccumulator(str(tmp_path / "tracked"))
    events.Reload()
    found = [(point.step, point.value) for point in events.Scalars("loss")]
    assert found == [(1, 1.0), (2, 1.0), (3, 5.0), (4, 5.0)]


def test_the_last_steps_are_logged_also_where_log_every_does_not_divide_them(
    tmp_path: Path,
) -> None:
    output = OutputConfig(folder=str(tmp_path), log_every=4)
    files = open_run_files(tmp_path, output, {}, 0, total=6)
    for step in range(1, 7):
        files.log_step(step, {"loss": float(step)})
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 4, "loss": 2.5},
        {"step": 6, "loss": 5.5},
    ]


def test_wandb_without_login_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = pytest.importorskip("wandb.errors")
    from accelerate.tracking import WandBTracker

    def start(self: Any) -> None:
        raise errors.UsageError("No API key configured.\nUse `wandb login`.")

    monkeypatch.setattr(WandBTracker, "start", start)
    with pytest.raises(ConfigError, match=r"wandb does not start \(No API key.*WANDB_MODE=offline"):
        opened(tmp_path, "wandb")


def test_a_resumed_training_goes_on_in_its_wandb_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")

    def run_id(done: int) -> str:
        files = opened(tmp_path, "wandb", done=done)
        files.log_step(done + 1, {"loss": 1.0})
        found = str(files.trackers[0].run.id)
        files.close()
        return found

    first, resumed, anew = run_id(0), run_id(4), run_id(0)
    assert (resumed == first, anew == first) == (True, False)
    assert list((tmp_path / "wandb").glob(f"offline-run-*-{first}"))
