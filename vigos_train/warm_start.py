"""A tiny base learns to write the format, supervised, before it is distilled. Smoke runs only."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from vigos_eval.engines.tiny_checkpoint import write_tiny_checkpoint
from vigos_eval.protocol import Protocol
from vigos_eval.types import Decoding
from vigos_train.checkpoint import write_folder
from vigos_train.config import TrainConfig, WarmStartConfig
from vigos_train.contexts import Question, Speaker, context, short_answer
from vigos_train.data import Rows
from vigos_train.encoding import ImageInputs, as_prompt, context_ids
from vigos_train.errors import TrainingStopped
from vigos_train.features import hidden_states, image_features, sequences
from vigos_train.rollout import ask_all, training_protocol
from vigos_train.samplers import OwnSampler
from vigos_train.spans import spans
from vigos_train.student import Student, load_student

PATCHES = 65536
LESSON_ROWS = 256


def format_text(answer: str) -> str:
    r"""A shortest text in the format, prefill not included.

    >>> format_text("red")
    'it is red.</description><think>it looks red.</think> \\boxed{red}'
    """
    short = short_answer(answer)
    return f"it is {short}.</description><think>it looks {short}.</think> \\boxed{{{short}}}"


@dataclass(frozen=True)
class _Lesson:
    """One row under one context: what is read, then what is to be written."""

    read: tuple[int, ...]
    written: tuple[int, ...]
    images: ImageInputs


def make_base(config: TrainConfig, rows: Rows, folder: Path, device: str) -> None:
    """Write the run's own base: the tiny checkpoint if asked, the format learnt if asked.

    Raises:
        TrainingStopped: Fewer rollouts than `warm_start.min_valid` are in the format afterwards.
    """
    steps = config.warm_start.steps
    with TemporaryDirectory() as scratch:
        model = config.model
        if model.pretrained == "tiny":
            write_tiny_checkpoint(Path(scratch) / "tiny", seed=config.optim.seed)
            model = replace(model, pretrained=str(Path(scratch) / "tiny"))
        student = load_student(model, config.lora, device=device, seed=config.optim.seed)
        protocol = training_protocol(config.protocol)
        if steps:
            print(
                f"warm start: {steps} supervised steps on the format", file=sys.stderr, flush=True
            )
            losses = warm_start(student, rows, protocol, config.warm_start, config.optim.seed)
            share = valid_share(student, rows, protocol, config)
            print(
                f"warm start: loss {losses[0]:.2f} -> {losses[-1]:.2f}, {share:.0%} of sampled "
                "rollouts are valid",
                file=sys.stderr,
                flush=True,
            )
            if share < config.warm_start.min_valid:
                raise TrainingStopped(
                    f"after {steps} supervised steps {share:.0%} of the rollouts are valid, below "
                    f"warm_start.min_valid {config.warm_start.min_valid:.0%}; raise "
                    "warm_start.steps"
                )
        write_folder(folder, lambda place: save_base(student, place))


def valid_share(
    student: Student, rows: Rows, protocol: Protocol, config: TrainConfig, count: int = 32
) -> float:
    """Share of `count` rollouts, sampled as training samples, that have both spans."""
    numbers = [(n, f"warm start {n}") for n in range(min(count, len(rows)))]
    asked, _ = ask_all(rows, numbers, student, protocol, config.rollout.max_prompt_tokens)
    how = config.rollout
    decoding = Decoding(
        n=1,
        temperature=how.temperature,
        top_p=how.top_p,
        top_k=how.top_k,
        max_new_tokens=how.max_new_tokens,
        seed=config.optim.seed,
        suppress_token_ids=student.suppressed,
    )
    found = OwnSampler(student, how.window).sample(asked, decoding, 0)
    return sum(spans(each.token_ids, student.pieces).is_valid for each in found) / len(found)


def warm_start(
    student: Student, rows: Rows, protocol: Protocol, config: WarmStartConfig, seed: int
) -> list[float]:
    """Train the whole base on `format_text` under every context; returns the loss of every step.

    The adapter is off and untouched; afterwards the base is frozen as before.
    """
    base = student.model.get_base_model()
    lessons = _lessons(student, rows, protocol)
    trained = {n: p for n, p in base.named_parameters() if "lora_" not in n}
    for parameter in trained.values():
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained.values(), lr=config.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps
    )
    generator = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    with student.model.disable_adapter():
        for _ in range(config.steps):
            chosen = torch.randint(len(lessons), (config.batch_size,), generator=generator)
            loss = _supervised_loss(base, [lessons[i] for i in chosen.tolist()])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
    for parameter in trained.values():
        parameter.requires_grad_(False)
        parameter.grad = None
    return losses


def _lessons(student: Student, rows: Rows, protocol: Protocol) -> list[_Lesson]:
    """Every row under every context: the student's twice, the perception teacher describes only."""
    tokenizer = student.processor.tokenizer
    numbers = [(n, str(n)) for n in range(min(len(rows), LESSON_ROWS))]
    lessons: list[_Lesson] = []
    for asked in ask_all(rows, numbers, student, protocol, limit=10**9)[0]:
        row = asked.row
        question = Question(row.problem, row.answer, len(row.images))
        whole = format_text(row.answer)
        for speaker in (Speaker.STUDENT, *Speaker):
            view = as_prompt(
                context(speaker, question, prompt=protocol.prompt), row.images, asked.prompt.key
            )
            text = whole.partition("</")[0] if speaker is Speaker.PERCEPTION else whole
            lessons.append(
                _Lesson(
                    context_ids(student.processor, view, asked.images.grids),
                    (
                        *tokenizer(text, add_special_tokens=False)["input_ids"],
                        tokenizer.eos_token_id,
                    ),
                    asked.images,
                )
            )
    return lessons


def save_base(student: Student, folder: Path) -> None:
    """Write the base as a full checkpoint, without the adapter's names."""
    base = student.model.get_base_model()
    state = {
        name.replace(".base_layer.", "."): value
        for name, value in base.state_dict().items()
        if "lora_" not in name
    }
    base.save_pretrained(folder, state_dict=state)
    student.processor.save_pretrained(folder)


def _supervised_loss(base: Any, lessons: Sequence[_Lesson]) -> torch.Tensor:
    """Cross-entropy of the written tokens, the end token included."""
    images = [each.images for each in lessons]
    batch = sequences(
        [(*each.read, *each.written) for each in lessons],
        images,
        image_token_id=base.config.image_token_id,
        merge_size=base.model.visual.spatial_merge_size,
        device=base.lm_head.weight.device,
    )
    features = image_features(base.model, images, patch_budget=PATCHES)
    hidden = hidden_states(base.model, batch, features)
    predicting = [
        hidden[k, len(each.read) - 1 : len(each.read) - 1 + len(each.written)]
        for k, each in enumerate(lessons)
    ]
    logits = base.lm_head(torch.cat(predicting)).float()
    targets = torch.tensor([t for each in lessons for t in each.written], device=logits.device)
    return torch.nn.functional.cross_entropy(logits, targets)
