"""A real training step with vLLM in this process, its adapter swapped, its base untouched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.runs import base_hash, small_config, student_of
from vigos_train.launch import make_trainer
from vigos_train.parallel import open_parallel
from vigos_train.samplers import OwnSampler
from vigos_train.shapes import shape_rows

pytestmark = pytest.mark.vllm


def test_vllm_rolls_out_with_the_adapter_of_each_step(tmp_path: Path, tiny_folder: Path) -> None:
    config = small_config(
        tmp_path,
        tiny_folder,
        optim__learning_rate=3e-2,
        optim__max_grad_norm=10.0,
        rollout__engine="vllm",
        rollout__temperature=0.0,
        rollout__max_model_len=1024,
        lora__rank=8,
    )
    student = student_of(config)
    before = base_hash(student.model)
    trainer = make_trainer(config, student, shape_rows(8), open_parallel(), tmp_path / "run")
    try:
        for _ in range(2):
            asked, _ = trainer.asked_rows()
            own = OwnSampler(student).sample(asked, trainer.decoding(), trainer.done)
            report = trainer.step()
            written = {each.asked.prompt.key: each.ids for each in report.rollouts}
            # The same prompt, weights and greedy choice: the same tokens as transformers'.
            assert [written[a.prompt.key] for a in asked] == [c.token_ids for c in own]
            assert report.numbers["grad_norm"] > 0
        assert base_hash(student.model) == before
        again, _ = trainer.asked_rows()
        first = OwnSampler(student).sample(asked, trainer.decoding(), 9)
        assert [c.token_ids for c in first] != [c.token_ids for c in own], "the step moved nothing"
        assert again
    finally:
        trainer.sampler.close()
