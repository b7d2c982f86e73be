"""`vigos-eval export`: what the hub, TensorBoard and Weights & Biases read back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from synthetic_runs import Model, write_run

from vigos_eval.cli import main
from vigos_eval.export.scalars import scalars
from vigos_eval.metrics import EIGHT
from vigos_eval.scored_run import read_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All eight and one ViLP task."""
    tasks = {**dict.fromkeys(EIGHT, 20), "vilp_f": 30}
    return write_run(tmp_path_factory.mktemp("runs") / "run", tasks)


def test_the_hub_reads_the_model_card_back(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from huggingface_hub.repocard_data import model_index_to_eval_results

    assert main(["export", str(run), "--model", "my-model"]) == 0
    text = capsys.readouterr().out
    head, block, tail = text.split("---\n")
    assert (head, tail) == ("", "")
    name, results = model_index_to_eval_results(yaml.safe_load(block)["model-index"])
    assert name == "my-model"
    found = {(r.dataset_name, r.metric_type): r for r in results}
    assert len(found) == 2 * 9
    avg = read_run(run).scores.tasks["mmmu"].avg
    assert found["mmmu", "avg@5"].metric_value == round(100 * avg.value, 2)
    assert found["mmmu", "avg@5"].dataset_type == "example/mmmu"
    assert found["mmmu", "avg@5"].dataset_args["protocol"] == "paper"
    assert ("vilp_f", "score") in found


def test_a_withheld_score_is_not_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    withheld = write_run(tmp_path / "r", {"mmmu": 40}, Model(ungraded=0.3))
    assert main(["export", str(withheld)]) == 2
    assert "holds no score to export" in capsys.readouterr().err
    names = scalars(read_run(withheld))
    assert "mmmu/ungraded" in names
    assert not [name for name in names if "pass@" in name or "avg@" in name]


def test_a_partial_run_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    partial = write_run(tmp_path / "r", {"mmmu": 10}, settings={"partial": True, "limit": 10})
    assert main(["export", str(partial), "--tensorboard", str(tmp_path / "tb")]) == 2
    assert "partial is true (limit 10)" in capsys.readouterr().err
    assert not (tmp_path / "tb").exists()


def test_tensorboard_reads_the_scores_at_their_steps(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard comes with the extra vigos[train]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = tmp_path / "tb"
    words = ["export", str(run), str(run), "--tensorboard", str(folder), "--steps", "100,250"]
    assert main(words) == 0
    events = EventAccumulator(str(folder))
    events.Reload()
    scores = read_run(run).scores
    points = events.Scalars("mean_of_eight/avg@5")
    assert [point.step for point in points] == [100, 250]
    assert points[0].value == pytest.approx(100 * scores.means["avg@5"].value, rel=1e-6)
    assert {"mmmu/pass@5", "vilp_f/prior", "mmmu/unparsed"} <= set(events.Tags()["scalars"])


def test_event_files_are_written_without_torch(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard comes with the extra vigos[train]")
    code = (
        "import sys; sys.modules['torch'] = None; from vigos_eval.cli import main; "
        f"sys.exit(main(['export', {str(run)!r}, '--tensorboard', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_weights_and_biases_can_sync_the_offline_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb comes with lmms-eval")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    assert main(["export", str(run), "--wandb", str(tmp_path)]) == 0
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore

    (file,) = tmp_path.rglob("*.wandb")
    assert str(file.parent) in capsys.readouterr().out
    store, found = DataStore(), {}
    store.open_for_scan(str(file))
    while (block := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(block)
        for item in record.history.item:
            found[item.key or "/".join(item.nested_key)] = item.value_json
    value = read_run(run).scores.means["avg@5"].value
    assert float(found["mean_of_eight/avg@5"]) == pytest.approx(100 * value)


@pytest.mark.parametrize("steps", ["1", "1,x", "1,2,3"])
def test_steps_that_do_not_fit_the_runs_exit_2(
    run: Path, capsys: pytest.CaptureFixture[str], steps: str
) -> None:
    assert main(["export", str(run), str(run), "--steps", steps]) == 2
    assert "give 2 whole numbers" in capsys.readouterr().err
