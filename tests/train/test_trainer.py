"""The trainer's invariants: any split is the same step, the base never moves, bad runs stop."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.runs import (
    MALFORMED,
    VALID,
    WrittenSampler,
    adapter_of,
    base_hash,
    small_config,
    student_of,
    trainer_of,
)
from vigos_eval.errors import ConfigError
from vigos_train.errors import TrainingStopped
from vigos_train.loading import replaced
from vigos_train.optim import rows_of_step
from vigos_train.parallel import open_parallel
from vigos_train.routing import Segment, scored_tokens
from vigos_train.samplers import OwnSampler
from vigos_train.scoring import objective, score
from vigos_train.student import base_checkpoint
from vigos_train.tensors import adapter_tensors
from vigos_train.trainer import StepReport, Trainer

ROOT = Path(__file__).parents[2]


def steps(trainer: Trainer, count: int) -> list[StepReport]:
    return [trainer.step() for _ in range(count)]


def largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_four_micro_batches_of_one_are_one_of_four(tmp_path: Path, tiny_folder: Path) -> None:
    whole = trainer_of(small_config(tmp_path, tiny_folder, optim__per_device=4))
    split = trainer_of(small_config(tmp_path, tiny_folder, optim__per_device=1))
    for one, other in zip(steps(whole, 3), steps(split, 3), strict=True):
        assert one.numbers["loss"] == pytest.approx(other.numbers["loss"], rel=1e-6)
        assert one.numbers["grad_norm"] == pytest.approx(other.numbers["grad_norm"], rel=1e-5)
    moved = adapter_of(whole.student.model)
    assert largest_difference(moved, adapter_of(split.student.model)) < 1e-6
    assert any(float(value.abs().max()) > 0 for name, value in moved.items() if "lora_B" in name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "deepspeed", "fsdp"])
def test_two_ranks_of_two_are_one_of_four(tmp_path: Path, tiny_folder: Path, kind: str) -> None:
    """Under torchrun with gloo: data-parallel, ZeRO-2, FSDP2; resumed exactly under each."""
    if kind == "deepspeed":
        pytest.importorskip("deepspeed", reason="pip install deepspeed")
    target = tmp_path / "ranks.pt"
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    script = str(ROOT / "tests" / "train" / "two_ranks.py")
    done = subprocess.run(
        [*two, script, str(tmp_path), str(tiny_folder), str(target), kind],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    ranks = torch.load(target, weights_only=True)
    whole = trainer_of(small_config(tmp_path, tiny_folder, optim__per_device=4))
    numbers = [report.numbers for report in steps(whole, 3)]
    assert largest_difference(adapter_tensors(whole.student.model), ranks["adapter"]) < 1e-6
    for one, other in zip(numbers, ranks["numbers"], strict=True):
        for name in (
            "loss",
            "loss/perception",
            "kl_p90/reasoning",
            "format_rate",
            "length_mean",
            "grad_norm",
        ):
            assert one[name] == pytest.approx(other[name], rel=1e-5), name


def test_the_engine_is_called_once_per_optimizer_step(tmp_path: Path, tiny_folder: Path) -> None:
    trainer = trainer_of(small_config(tmp_path, tiny_folder, optim__per_device=1))
    steps(trainer, 2)
    assert trainer.sampler.calls == [4, 4]
    assert len(set(trainer.sampler.asked)) == 8


def test_only_the_adapter_gets_gradients_and_the_base_never_moves(
    tmp_path: Path, tiny_folder: Path
) -> None:
    trainer = trainer_of(small_config(tmp_path, tiny_folder))
    before = base_hash(trainer.student.model)
    asked, _ = trainer.asked_rows()
    from vigos_train.step_log import StepRecord

    trainer.compute_gradients(trainer.rollouts(asked), StepRecord())
    with_gradient = {n for n, p in trainer.student.model.named_parameters() if p.grad is not None}
    assert with_gradient and all("lora_" in name for name in with_gradient)
    assert not any("visual" in name for name in with_gradient)
    steps(trainer, 2)
    assert base_hash(trainer.student.model) == before


def test_vision_adapters_train_when_asked_also_under_checkpointing(
    tmp_path: Path, tiny_folder: Path
) -> None:
    config = small_config(
        tmp_path, tiny_folder, lora__train_vision=True, optim__gradient_checkpointing=True
    )
    trainer = trainer_of(config)
    from vigos_train.step_log import StepRecord

    asked, _ = trainer.asked_rows()
    trainer.compute_gradients(trainer.rollouts(asked), StepRecord())
    # lora_B starts at zero, so at the first step lora_A's gradient is zero and B's is not.
    vision = {
        name: float(p.grad.abs().max())
        for name, p in trainer.student.model.named_parameters()
        if "visual" in name and "lora_B" in name and p.grad is not None
    }
    assert len(vision) == 6  # two blocks, three layers of the MLP each
    assert all(value > 0 for value in vision.values()), vision


def test_gradient_checkpointing_changes_nothing(tmp_path: Path, tiny_folder: Path) -> None:
    plain = trainer_of(small_config(tmp_path, tiny_folder))
    saved = trainer_of(small_config(tmp_path, tiny_folder, optim__gradient_checkpointing=True))
    steps(plain, 2)
    steps(saved, 2)
    one, other = adapter_of(plain.student.model), adapter_of(saved.student.model)
    assert largest_difference(one, other) < 1e-6


@pytest.mark.slow
def test_the_teacher_at_step_100_is_the_teacher_at_step_0_with_dropout_on(
    tmp_path: Path, tiny_folder: Path
) -> None:
    config = small_config(
        tmp_path,
        tiny_folder,
        lora__dropout=0.3,
        optim__batch_size=1,
        optim__per_device=1,
        optim__max_steps=100,
        optim__learning_rate=1e-2,
    )
    trainer = trainer_of(config)
    asked, _ = trainer.asked_rows()
    ids = torch.tensor([asked[0].ids])
    inputs = {
        "input_ids": ids,
        "pixel_values": asked[0].images.pixels,
        "image_grid_thw": asked[0].images.grids,
        "mm_token_type_ids": (ids == trainer.student.model.config.image_token_id).int(),
    }

    def logits(is_teacher: bool) -> torch.Tensor:
        model = trainer.student.model.eval()
        with torch.no_grad():
            if not is_teacher:
                return model(**inputs).logits
            with model.disable_adapter():
                return model(**inputs).logits

    teacher, student = logits(True), logits(False)
    steps(trainer, 100)
    assert torch.equal(logits(True), teacher)
    assert not torch.equal(logits(False), student)


@pytest.mark.slow
def test_32_rows_are_learnt_by_heart_in_50_steps(tmp_path: Path, tiny_folder: Path) -> None:
    config = small_config(
        tmp_path,
        tiny_folder,
        data__max_rows=32,
        optim__batch_size=32,
        optim__per_device=32,
        optim__max_steps=50,
        optim__learning_rate=2e-2,
        optim__schedule="constant",
        optim__max_grad_norm=1.0,
        lora__rank=16,
        lora__alpha=32,
    )
    student = student_of(config)
    trainer = trainer_of(config, WrittenSampler(student, (VALID,)), student)
    losses = [report.numbers["loss"] for report in steps(trainer, 50)]
    assert losses[-1] < losses[0] / 10, (losses[0], losses[-1])


def test_the_logged_loss_is_the_methods_formula(tmp_path: Path, tiny_folder: Path) -> None:
    trainer = trainer_of(small_config(tmp_path, tiny_folder))
    asked, _ = trainer.asked_rows()
    rollouts = trainer.rollouts(asked)
    counts = scored_tokens(rollout.route for rollout in rollouts)
    parts = list(
        score(trainer.student.model, [r.scoring_row for r in rollouts], trainer.config.loss)
    )
    by_hand = sum(
        float(objective(part.sums, counts, trainer.config.loss).detach()) for part in parts
    )
    report = trainer.step()
    assert report.numbers["loss"] == pytest.approx(by_hand, rel=1e-5)
    assert report.numbers["tokens/perception"] == counts[Segment.PERCEPTION]
    shares = [each.clipped.float().mean() for each in report.kls if each.segment == "fallback"]
    assert 0 <= report.numbers["clipped/fallback"] <= 1 and shares
    valid = [rollout.spans.is_valid for rollout in report.rollouts]
    assert report.numbers["format_rate"] == sum(valid) / len(valid)


def test_opsd_scores_every_token_by_one_teacher(tmp_path: Path, tiny_folder: Path) -> None:
    report = trainer_of(small_config(tmp_path, tiny_folder, method="opsd")).step()
    losses = {name for name in report.numbers if name.startswith("loss/")}
    assert losses == {"loss/reference"}
    assert report.numbers["tokens/reference"] == sum(len(r.ids) for r in report.rollouts)
    assert report.numbers["loss"] == pytest.approx(report.numbers["loss/reference"])


def test_micro_batch_normalisation_is_the_mean_of_means(tmp_path: Path, tiny_folder: Path) -> None:
    config = small_config(
        tmp_path, tiny_folder, loss__normalisation="micro_batch", optim__per_device=2
    )
    trainer = trainer_of(config)
    asked, _ = trainer.asked_rows()
    rollouts = trainer.rollouts(asked)
    groups = trainer.micro_batches(rollouts)
    assert [numbers for numbers, _ in groups] == [[0, 1], [2, 3]]
    for numbers, counts in groups:
        own = scored_tokens(rollouts[i].route for i in numbers)
        assert counts == {segment: 2 * count for segment, count in own.items()}


def test_a_batch_that_does_not_divide_is_refused(tmp_path: Path, tiny_folder: Path) -> None:
    with pytest.raises(ConfigError, match="does not divide"):
        trainer_of(small_config(tmp_path, tiny_folder, optim__per_device=3))


def test_every_row_is_taken_once_per_epoch_whatever_the_batch() -> None:
    config = replaced(small_config(Path("/tmp"), Path("/tmp")), optim__max_steps=0).optim
    for size in (1, 3, 4, 7):
        own = replaced_optim(config, size)
        total = -(-int(10 * own.epochs) // size)
        order = [n for s in range(total) for n in rows_of_step(s, 10, own, is_shuffled=True)]
        assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
        assert order[:10] != order[10:]


def replaced_optim(config: Any, size: int) -> Any:
    from dataclasses import replace

    return replace(config, batch_size=size, epochs=2.0)


def test_a_loss_that_is_no_number_stops_before_a_weight_changes(
    tmp_path: Path, tiny_folder: Path
) -> None:
    trainer = trainer_of(small_config(tmp_path, tiny_folder))
    before = adapter_of(trainer.student.model)
    with torch.no_grad():
        trainer.student.model.get_base_model().model.language_model.norm.weight[0] = math.nan
    with pytest.raises(TrainingStopped, match=r"the loss of step 1 is nan; no weight was changed"):
        trainer.step()
    assert largest_difference(before, adapter_of(trainer.student.model)) == 0


def test_a_run_of_malformed_rollouts_says_what_they_look_like(
    tmp_path: Path, tiny_folder: Path
) -> None:
    config = small_config(tmp_path, tiny_folder, max_malformed_steps=2)
    student = student_of(config)
    trainer = trainer_of(config, WrittenSampler(student, (MALFORMED,)), student)
    trainer.step()
    with pytest.raises(TrainingStopped, match=r"last 2 steps.*as I see.*</description>"):
        trainer.step()


def test_one_valid_rollout_starts_the_count_anew(tmp_path: Path, tiny_folder: Path) -> None:
    config = small_config(tmp_path, tiny_folder, max_malformed_steps=2)
    student = student_of(config)
    sampler = WrittenSampler(student, (MALFORMED,))
    trainer = trainer_of(config, sampler, student)
    for texts in ((MALFORMED,), (VALID,), (MALFORMED,)):
        sampler.texts = texts
        trainer.step()
    assert trainer.malformed_steps == 1


def test_a_prompt_above_the_limit_is_skipped_whole_and_counted(
    tmp_path: Path, tiny_folder: Path
) -> None:
    trainer = trainer_of(small_config(tmp_path, tiny_folder, rollout__max_prompt_tokens=10))
    report = trainer.step()
    assert report.numbers["skipped_rows"] == 4 and trainer.skipped == 4
    assert "the limit is 10" in report.skipped[0].reason
    # Nothing to learn from: the step is empty and moves no weight.
    moved = adapter_of(trainer.student.model)
    assert all(float(v.abs().max()) == 0 for n, v in moved.items() if "lora_B" in n)


def test_rows_of_which_none_can_be_asked_stop_the_run(tmp_path: Path, tiny_folder: Path) -> None:
    config = small_config(
        tmp_path, tiny_folder, rollout__max_prompt_tokens=10, max_malformed_steps=2
    )
    trainer = trainer_of(config)
    trainer.step()
    with pytest.raises(TrainingStopped, match=r"no row .* could be asked, e.g. .*the limit is 10"):
        trainer.step()


def test_vision_adapters_need_the_hf_engine(tmp_path: Path, tiny_folder: Path) -> None:
    from vigos_train.samplers import open_sampler

    config = small_config(tmp_path, tiny_folder, lora__train_vision=True, rollout__engine="vllm")
    with pytest.raises(ConfigError, match=r"rollout.engine: hf"):
        open_sampler(config, None, lambda *_: None, tmp_path, open_parallel())  # type: ignore[arg-type]


def test_an_engine_over_several_gpus_is_refused_where_each_rank_has_one(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from vigos_train.samplers import check_rollouts

    config = small_config(
        tmp_path, tmp_path, rollout__engine="vllm", rollout__tensor_parallel_size=2
    )
    with pytest.raises(ConfigError, match=r"tensor_parallel_size 2 with 8 ranks.*server"):
        check_rollouts(config, SimpleNamespace(kind="plain", ranks=8))  # type: ignore[arg-type]
    check_rollouts(config, SimpleNamespace(kind="plain", ranks=1))  # type: ignore[arg-type]


def test_the_token_budget_splits_a_micro_batch_into_student_passes(
    tmp_path: Path, tiny_folder: Path
) -> None:
    trainer = trainer_of(small_config(tmp_path, tiny_folder))
    rollouts = trainer.rollouts(trainer.asked_rows()[0])
    assert len(list(trainer.parts(rollouts))) == 1
    tight = trainer_of(small_config(tmp_path, tiny_folder, optim__token_budget=1))
    assert len(list(tight.parts(rollouts))) == len(rollouts) == 4


def test_targets_that_match_nothing_are_refused(tmp_path: Path, tiny_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"query_proj match no layer"):
        student_of(small_config(tmp_path, tiny_folder, lora__targets=("query_proj",)))


def test_another_model_class_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    from vigos_eval.engines.tiny_checkpoint import write_tiny_checkpoint

    write_tiny_checkpoint(tmp_path / "other", family="qwen3_vl")
    config = small_config(tmp_path, tmp_path / "other")
    with pytest.raises(ConfigError, match=r"'qwen3_vl'.*takes 'qwen2_5_vl'"):
        base_checkpoint(config.model)


def test_sampled_rollouts_hold_no_image_token_and_end_with_the_end_token(
    tmp_path: Path, tiny_folder: Path
) -> None:
    config = small_config(tmp_path, tiny_folder, rollout__temperature=5.0, rollout__top_k=0)
    student = student_of(config)
    with torch.no_grad():  # a head that loves the image placeholder
        head = student.model.get_base_model().lm_head.weight
        head[list(student.suppressed)] *= 50
    report = trainer_of(config, OwnSampler(student), student).step()
    sampled = {token for rollout in report.rollouts for token in rollout.ids}
    assert sampled and not sampled & set(student.suppressed)
