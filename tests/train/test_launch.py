"""Whole runs: resume is exact, a kill costs nothing, what is written is true."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.train.runs import small_config
from vigos_eval.errors import CheckpointError, ConfigError, DataError
from vigos_train import launch
from vigos_train.checkpoint import checkpoints
from vigos_train.config import TrainConfig
from vigos_train.launch import TrainedRun, train
from vigos_train.loading import config_text, load_config, replaced
from vigos_train.shapes import shape_rows
from vigos_train.trainer import Trainer

ROOT = Path(__file__).parents[2]


def greedy(folder: Path, base: Path, **changes: Any) -> TrainConfig:
    """Four greedy steps with dropout on, a checkpoint after each."""
    return small_config(
        folder,
        base,
        **{
            "optim__max_steps": 4,
            "optim__batch_size": 2,
            "optim__per_device": 1,
            "optim__learning_rate": 1e-3,
            "lora__dropout": 0.2,
            "rollout__temperature": 0.0,
            "output__save_every": 1,
            "output__keep": 2,
            **changes,
        },
    )


def tensors_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    found = load_file(checkpoint / "adapter_model.safetensors")
    (optimizer,) = torch.load(checkpoint / "state" / "optimizer.pt", weights_only=True)
    for number, state in optimizer["state"].items():
        found |= {f"{number}.{name}": value for name, value in state.items()}
    return found


def assert_same_bits(one: Path, other: Path) -> None:
    first, second = tensors_of(one), tensors_of(other)
    assert first.keys() == second.keys() and len(first) > 100
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The run dies as step `count` + 1 begins."""
    real = Trainer.step

    def step(self: Trainer) -> Any:
        if self.done == count:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(Trainer, "step", step)


def test_a_resumed_run_ends_with_the_same_bits(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(greedy(tmp_path / "a", tiny_folder))
    with monkeypatch.context() as patched:
        stop_after(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            train(greedy(tmp_path / "b", tiny_folder))
    resumed = train(greedy(tmp_path / "b", tiny_folder), resume=True)
    assert (whole.steps, resumed.steps) == (4, 4)
    ends = [checkpoints(run.adapter.parent) for run in (whole, resumed)]
    assert [place.name for place in ends[0]] == ["step-000003", "step-000004"]
    assert_same_bits(ends[0][-1], ends[1][-1])
    logs = [
        [json.loads(line) for line in (run.adapter.parent / "log.jsonl").read_text().splitlines()]
        for run in (whole, resumed)
    ]
    assert [line["step"] for line in logs[1]] == [1, 2, 3, 4]
    assert [line["loss"] for line in logs[0]] == [line["loss"] for line in logs[1]]


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from vigos_train.launch import train
from vigos_train.loading import load_config
torch.set_num_threads(1)
saves = [int(sys.argv[2])]
real = torch.save
def save(value, path):
    real(value, path)
    if "schedule" in str(path):
        saves[0] -= 1
        if saves[0] == 0:
            with open(path, "r+b") as file:
                file.truncate(10)
            os.kill(os.getpid(), signal.SIGKILL)
torch.save = save
train(load_config(Path(sys.argv[1])), resume=True)
"""


@pytest.mark.slow
def test_killed_twice_during_a_save_the_run_ends_as_if_never_killed(
    tmp_path: Path, tiny_folder: Path
) -> None:
    config = greedy(tmp_path / "killed", tiny_folder)
    path = tmp_path / "run.yaml"
    path.write_text(config_text(config))
    for save, left in ((2, "step-000001"), (1, "step-000001")):
        done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(save)])
        assert done.returncode == -signal.SIGKILL
        assert checkpoints(Path(config.output.folder))[-1].name == left
    train(config, resume=True)
    whole = train(greedy(tmp_path / "whole", tiny_folder))
    assert_same_bits(
        checkpoints(Path(config.output.folder))[-1], checkpoints(whole.adapter.parent)[-1]
    )
    assert not list(Path(config.output.folder).rglob(".partial-*"))


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path
) -> tuple[TrainConfig, TrainedRun, list[tuple[str, int]]]:
    """A finished run with evaluation, rollouts and TensorBoard, and its after-checkpoint calls."""
    folder = tmp_path_factory.mktemp("finished")
    config = greedy(
        folder,
        tiny_folder,
        evaluation__every=2,
        evaluation__rows=3,
        output__rollouts_every=2,
        output__report_to=("tensorboard",),
    )
    calls: list[tuple[str, int]] = []
    run = train(
        config,
        rows=shape_rows(8),
        held_out=shape_rows(5),
        after_checkpoint=lambda place, step: calls.append((place.name, step)),
    )
    return config, run, calls


def test_the_adapter_folder_is_evaluated_as_it_lies_there(finished: Any) -> None:
    from vigos_eval.engines.hf import HFEngine
    from vigos_eval.engines.settings import EngineSettings

    _, run, _ = finished
    assert sorted(path.name for path in run.adapter.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    engine = HFEngine.load(EngineSettings(engine="hf", pretrained=str(run.adapter)))
    assert "adapter" in engine.identity
    last = checkpoints(run.adapter.parent)[-1]
    assert torch.equal(
        load_file(run.adapter / "adapter_model.safetensors")["base_model.model.model.language_model."
        "layers.0.self_attn.q_proj.lora_A.weight"],
        load_file(last / "adapter_model.safetensors")["base_model.model.model.language_model."
        "layers.0.self_attn.q_proj.lora_A.weight"],
    )  # fmt: skip


def test_the_log_holds_every_number_the_method_speaks_of(finished: Any) -> None:
    _, run, _ = finished
    lines = [json.loads(x) for x in (run.adapter.parent / "log.jsonl").read_text().splitlines()]
    step = next(line for line in lines if "loss" in line)
    for name in (
        "loss/fallback",
        "kl_mean/fallback",
        "kl_p90/fallback",
        "clipped/fallback",
        "format_rate",
        "fallback_rate",
        "answer_rate",
        "length_mean",
        "truncated_rate",
        "tokens_per_second",
        "seconds/rollout",
        "seconds/scoring",
        "seconds/backward",
        "peak_gib",
        "learning_rate",
        "grad_norm",
        "epoch",
    ):
        assert name in step, name
    # Linear decay without warm-up: the first step takes the whole rate, the last a quarter.
    rates = [line["learning_rate"] for line in lines if "learning_rate" in line]
    assert rates == pytest.approx([1e-3, 0.75e-3, 0.5e-3, 0.25e-3])
    evaluations = [line for line in lines if "eval/accuracy" in line]
    assert [line["step"] for line in evaluations] == [2, 4]
    assert set(run.evaluation) == {"eval/accuracy", "eval/format_rate", "eval/truncated_rate"}


def test_rollouts_are_written_with_spans_and_kl_per_segment(finished: Any) -> None:
    config, run, _ = finished
    text = (run.adapter.parent / "rollouts.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["step"] for line in lines] == [2, 2, 4, 4]
    assert all(set(line["kl"]) == {"fallback"} for line in lines if not line["is_valid"])
    assert all(line["tokens"] <= config.rollout.max_new_tokens for line in lines)


def test_tensorboard_gets_the_numbers(finished: Any) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, run, _ = finished
    events = EventAccumulator(str(run.adapter.parent / "tracked"))
    events.Reload()
    assert [point.step for point in events.Scalars("loss")] == [1, 2, 3, 4]


def test_every_new_checkpoint_is_handed_on_once(finished: Any) -> None:
    assert finished[2] == [(f"step-{n:06d}", n) for n in (1, 2, 3, 4)]


def test_the_saved_config_is_the_run(finished: Any) -> None:
    config, run, _ = finished
    assert load_config(run.adapter.parent / "config.yaml") == config


def test_a_finished_folder_is_not_overwritten(finished: Any) -> None:
    with pytest.raises(ConfigError, match=r"holds a run up to step-000004; pass --resume"):
        train(finished[0])


def test_resume_with_another_setting_names_it(finished: Any) -> None:
    with pytest.raises(ConfigError, match=r"lora.rank is 5, but .* was trained with 4"):
        train(replaced(finished[0], lora__rank=5), resume=True)


def test_a_damaged_state_is_said_and_never_unpickled(finished: Any, tmp_path: Path) -> None:
    import pickle
    import shutil

    class Boom:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "boom"),)

    config, run, _ = finished
    folder = tmp_path / "copy"
    shutil.copytree(run.adapter.parent, folder)
    moved = replaced(config, output__folder=str(folder))
    (checkpoints(folder)[-1] / "state" / "optimizer.pt").write_bytes(pickle.dumps(Boom()))
    with pytest.raises(CheckpointError, match="resume from the one before"):
        train(moved, resume=True)
    assert not (tmp_path / "boom").exists()


def test_an_unknown_tracker_lists_the_known(tmp_path: Path, tiny_folder: Path) -> None:
    config = greedy(tmp_path, tiny_folder, output__report_to=("tensorbord",))
    with pytest.raises(ConfigError, match=r"'tensorbord' does not exist; use .*tensorboard"):
        train(config)
    assert not Path(config.output.folder).exists()  # said before anything is made


def test_a_new_run_never_takes_a_base_that_an_unfinished_one_left(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = greedy(tmp_path, tiny_folder, model__pretrained="tiny", optim__max_steps=1)
    left = Path(config.output.folder) / "base"
    left.mkdir(parents=True)
    (left / "config.json").write_text("{}")  # of other settings, perhaps of another warm start
    train(config)
    assert "qwen2_5_vl" in (left / "config.json").read_text()
    said = capsys.readouterr().err
    assert said.startswith("vigos: 16 rows, 1 steps of 2, rollouts by hf -> ")
    assert "\nstep 1/1: loss " in said


def test_rows_without_answer_are_counted_at_the_start(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from vigos_train.data import answers
    from vigos_train.rows import Row

    rows: list[Row] = [Row(str(i), "?", "" if i % 2 else "7", ()) for i in range(5)]
    launch.warn_of_missing_answers(rows)
    assert "2 of 5 rows have no answer" in capsys.readouterr().err
    assert answers(rows) == ["7", "", "7", "", "7"]


def test_a_prior_flip_set_counts_flips(tmp_path: Path, tiny_folder: Path) -> None:
    from tests.train.runs import WrittenSampler, student_of, trainer_of
    from vigos_train.evaluation import evaluate, flip_rows

    for number, name in enumerate(("red.png", "blue.png", "green.png")):
        (tmp_path / name).write_bytes(shape_rows(3)[number].images[0].data)
    fields = {"question": "What color?", "image1": "red.png", "image2": "blue.png"}
    fields |= {"image3": "green.png", "answer1": "red", "answer2": "blue", "answer3": "green"}
    path = tmp_path / "flips.jsonl"
    path.write_text(json.dumps(fields) + "\n")
    config = small_config(tmp_path, tiny_folder)
    student = student_of(config)

    class Says(WrittenSampler):
        """Always the prior."""

        def _text_of(self, asked: Any) -> str:
            return "x</description><think>y</think>\\boxed{red}"

    trainer = trainer_of(config, Says(student), student)
    numbers = evaluate(trainer, [], flip_rows(str(path)))
    assert numbers == {
        "eval/flip_accuracy": 0.0,
        "eval/flip_aligned": 1.0,
        "eval/flip_prior": 1.0,
    }
    path.write_text(json.dumps({"question": "?"}) + "\n")
    with pytest.raises(DataError, match="no column 'image1'"):
        flip_rows(str(path))
