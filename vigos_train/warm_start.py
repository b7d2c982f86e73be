"""A tiny base learns to write the format, supervised, before it is distilled. Smoke runs only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vigos_eval.protocol import Protocol
from vigos_train.config import WarmStartConfig
from vigos_train.contexts import Question, Speaker, context, short_answer
from vigos_train.data import Rows
from vigos_train.encoding import ImageInputs, as_prompt, context_ids
from vigos_train.features import hidden_states, image_features, sequences
from vigos_train.rollout import ask_all
from vigos_train.student import Student

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
