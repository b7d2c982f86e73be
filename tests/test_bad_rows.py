"""Rows that cannot be asked, through real lmms-eval: named and kept apart, never scored as wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import SAMPLE_DATA
from tests.instant import InstantEngine, host_results, our_task_manager
from vigos_eval.errors import DataError, RunFolderError

MMMU = "zli12321/MMMU"
Rows = list[dict[str, Any]]


def torn_image(rows: Rows) -> None:
    rows[1]["images"] = [{"bytes": b"no image", "path": None}]


def no_gold(rows: Rows) -> None:
    rows[1]["answer"] = ""


def no_question(rows: Rows) -> None:
    rows[1]["problem"] = None


def written(root: Path, change: Callable[[Rows], None] | None) -> Path:
    """A data root with the sample data's MMMU, some rows changed."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(SAMPLE_DATA / MMMU, root / MMMU)
    if change is not None:
        (path,) = root.rglob("*.parquet")
        table = pq.read_table(path)
        rows = table.to_pylist()
        change(rows)
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    return root


@pytest.fixture
def evaluate(
    tiny: Path, tmp_path: Path, instant_engine: InstantEngine, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """simple_evaluate over a data root into one run folder; returns the host's metrics of mmmu."""
    tasks = our_task_manager()

    def run(root: Path, **more: str) -> dict[str, Any]:
        monkeypatch.setenv("VIGOS_DATA_ROOT", str(root))
        args = {"pretrained": tiny, "run": tmp_path / "run", **more}
        results = host_results(
            monkeypatch, instant_engine, args, ["mmmu"], task_manager=tasks, log_samples=True
        )
        found: dict[str, Any] = results["results"]["mmmu"]
        return found

    return run


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (torn_image, "its image (8 bytes) cannot be read"),
        (no_gold, "its gold answer (answer) is empty"),
        (no_question, "its problem is empty"),
    ],
)
def test_a_bad_row_ends_the_run_with_its_name_or_is_left_out_of_every_mean(
    change: Callable[[Rows], None],
    reason: str,
    tmp_path: Path,
    evaluate: Callable[..., dict[str, Any]],
    instant_engine: InstantEngine,
) -> None:
    root = written(tmp_path / "data", change)
    with pytest.raises(DataError) as ended:
        evaluate(root)
    assert "mmmu row 1: " + reason in str(ended.value)
    assert "skip_bad_rows=true" in str(ended.value)
    assert len(instant_engine.asked) == 4

    host = evaluate(root, skip_bad_rows="true")
    # The engine says A, B, C, D, A. Golds of the four others: A (right twice), B, B (once each), 27.
    assert host["pass@5,none"] == pytest.approx(3 / 4)
    assert host["avg@5,none"] == pytest.approx(4 / 20)
    task = json.loads((tmp_path / "run" / "scores.json").read_text())["tasks"]["mmmu"]
    assert (task["n"], task["graded"], task["skipped"]) == (5, 4, 1)
    assert task["avg"]["value"] == pytest.approx(host["avg@5,none"])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["skipped"] == 1
    assert len(instant_engine.asked) == 4, "what was answered before is not asked again"


def test_mended_data_resumes_in_the_same_folder(
    tmp_path: Path, evaluate: Callable[..., dict[str, Any]], instant_engine: InstantEngine
) -> None:
    with pytest.raises(DataError):
        evaluate(written(tmp_path / "data", torn_image))
    evaluate(written(tmp_path / "data", None))
    assert [prompt.key.split(":")[1] for prompt, _ in instant_engine.asked] == [
        "00000", "00002", "00003", "00004", "00001",
    ]  # fmt: skip


def test_another_gold_under_an_answered_row_is_refused(
    tmp_path: Path, evaluate: Callable[..., dict[str, Any]]
) -> None:
    evaluate(written(tmp_path / "data", None))

    def another(rows: Rows) -> None:
        rows[0]["answer"] = "B"

    with pytest.raises(RunFolderError, match="mmmu:00000:.* was asked with another gold answer"):
        evaluate(written(tmp_path / "data", another))


RANK = """
import torch.distributed as dist
from pathlib import Path
from vigos_eval.errors import DataError
from vigos_eval.finish import refuse_failures
from vigos_eval.ranks import leave_group_at_exit
dist.init_process_group("gloo")
leave_group_at_exit()  # as the model does
try:
    refuse_failures(["row 3 has no image"] if dist.get_rank() == 1 else [], Path("runs/x"), 2)
except DataError as error:
    Path(f"rank{dist.get_rank()}").write_text(str(error))
for _ in range(50):  # without leave_group_at_exit, about every other run is aborted at its end
    dist.all_gather_object([None, None], ["failure"] * 10)
"""


@pytest.mark.slow
def test_a_bad_row_of_one_rank_ends_every_rank_alike(tmp_path: Path) -> None:
    (tmp_path / "rank.py").write_text(RANK)
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run([*two, "rank.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        assert (
            "rows that cannot be asked: 1, e.g. row 3 has" in (tmp_path / f"rank{rank}").read_text()
        )
