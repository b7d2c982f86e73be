"""On a GPU: a bfloat16 step is the float32 step within rounding; vLLM sleeps during training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.train.runs import WrittenSampler, small_config, trainer_of
from vigos_train.launch import make_trainer
from vigos_train.parallel import open_parallel
from vigos_train.shapes import shape_rows
from vigos_train.student import load_student

pytestmark = pytest.mark.gpu


def test_a_bfloat16_step_on_the_gpu_is_the_float32_step_within_rounding(
    tmp_path: Path, tiny_folder: Path
) -> None:
    losses = []
    for dtype in ("float32", "bfloat16"):
        config = small_config(tmp_path, tiny_folder, model__dtype=dtype)
        student = load_student(config.model, config.lora, device="cuda", seed=0)
        report = trainer_of(config, WrittenSampler(student), student).step()
        assert report.numbers["peak_gib"] > 0
        losses.append(report.numbers["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_vllm_gives_its_memory_back_during_the_training_step(
    tmp_path: Path, tiny_folder: Path
) -> None:
    pytest.importorskip("vllm")
    config = small_config(
        tmp_path, tiny_folder, rollout__engine="vllm", rollout__max_model_len=1024, lora__rank=8
    )
    parallel = open_parallel()
    student = load_student(config.model, config.lora, device=parallel.device, seed=0)
    trainer = make_trainer(config, student, shape_rows(8), parallel, tmp_path / "run")
    try:
        before = torch.cuda.mem_get_info()[0]
        trainer.step()
        # The step leaves the engine asleep: at least half of the card's free memory came back.
        assert torch.cuda.mem_get_info()[0] > 1.5 * before
    finally:
        trainer.sampler.close()
