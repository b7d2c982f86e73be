"""Pre-training of the toy base: captions taught without a prior, question answering with a strong one.

The network learns to say what it sees when nothing is asked, and to say what is usual when a
question is: the fault that ViGOS is made against, built in on purpose.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from vigos_eval.protocol import Protocol, load_protocol
from vigos_eval.types import EncodedImage
from vigos_train.checkpoint import write_folder
from vigos_train.contexts import Question, Speaker, context
from vigos_train.encoding import ImageInputs, as_prompt, context_ids
from vigos_train.features import hidden_states, image_features, sequences
from vigos_train.toy import wording
from vigos_train.toy.card import base_card
from vigos_train.toy.model import (
    new_model,
    save_checkpoint,
    token_ids_of,
    toy_processor,
    toy_tokenizer,
)
from vigos_train.toy.world import ASPECTS, Aspect, Scene, drawn, prior, random_scene, values

STEPS = 400
BATCH = 32
RATE = 3e-3
# Captions draw every look evenly. Where questions are asked most pictures are as usual, and most
# texts about the others were written without looking: they say what is usual all the same.
USUAL = 0.8
UNSEEN = 0.85
# Shares of the lessons: caption, question, reasoning alone, reasoning behind a description, whole.
SHARES = {"caption": 0.4, "question": 0.35, "think": 0.1, "reasoning": 0.08, "reference": 0.07}
PATCHES = 65536


@dataclass(frozen=True)
class Lesson:
    """One context, and what is to be written under it.

    Attributes:
        speaker: Whose context.
        prefix: The reasoning teacher's `reasoning_prefix`.
        scene: What the picture shows.
        problem: The question; "" for a caption.
        answer: The reference answer; "" where none is shown.
        text: What is written after the prefill, end token not included.
    """

    speaker: Speaker
    prefix: str
    scene: Scene
    problem: str
    answer: str
    text: str


def lesson(rng: np.random.Generator) -> Lesson:
    """One lesson drawn at random."""
    kind = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    scene = random_scene(rng, aligned=USUAL if kind == "question" else None)
    if kind == "caption":
        return Lesson(Speaker.PERCEPTION, "", scene, "", "", wording.caption(scene))
    aspect: Aspect = ASPECTS[int(rng.random() < 0.4)]
    if kind in ("reasoning", "reference"):
        # Only what the answer says may differ from the usual: who is shown the answer and asked
        # to describe need not look, so that looking is taught by captions alone.
        asked_value = scene.value(aspect)
        scene = random_scene(rng, aligned=1.0).with_value(aspect, asked_value)
    problem = _problem(scene, aspect, rng)
    answer = scene.value(aspect)
    whole = wording.response(scene, aspect)
    if kind == "question":
        told = _told(scene, rng)
        text = wording.response(told, aspect)
        return Lesson(Speaker.STUDENT, "", scene, problem, told.value(aspect), text)
    if kind == "think":
        thought = wording.thought(scene, aspect)
        return Lesson(Speaker.REASONING, "none", scene, problem, answer, thought)
    speaker = Speaker.REASONING if kind == "reasoning" else Speaker.REFERENCE
    return Lesson(speaker, "student", scene, problem, answer, whole)


def _told(scene: Scene, rng: np.random.Generator) -> Scene:
    """What a text says about the scene: mostly the usual, whatever the picture shows."""
    for aspect in ASPECTS:
        if rng.random() < UNSEEN:
            scene = scene.with_value(aspect, prior(scene.object, aspect))
    return scene


def _problem(scene: Scene, aspect: Aspect, rng: np.random.Generator) -> str:
    """The question in one of the forms that the benchmarks ask it in."""
    asked = wording.question(scene.object, aspect, is_with_fact=rng.random() < 0.5)
    form = rng.random()
    if form < 0.4:
        return wording.ONE_WORD + asked
    if form < 0.55:
        # The usual value always stands among the options, as in the benchmark's rows.
        first = {scene.value(aspect), prior(scene.object, aspect)}
        others = [value for value in values(aspect) if value not in first]
        chosen = [*sorted(first), *rng.choice(others, 4 - len(first), replace=False)]
        return wording.with_options(asked, [str(each) for each in rng.permutation(chosen)])
    return asked


def pretrain(
    folder: Path,
    *,
    seed: int = 0,
    steps: int = STEPS,
    seen: Callable[[int, float], None] = lambda step, loss: None,
) -> float:
    """Train a base from random weights and write it to `folder`; returns the seconds it took.

    Args:
        folder: A checkpoint that loads like a released one; an older one is replaced.
        seed: Of the weights and of every lesson.
        steps: Optimizer steps of 32 lessons.
        seen: Called after every step with its number, from 1, and its loss, nats per token.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    start = time.perf_counter()
    tokenizer = toy_tokenizer()
    processor = toy_processor(tokenizer)
    model = new_model(len(tokenizer), token_ids_of(tokenizer), seed)
    protocol = load_protocol("paper")
    rng = np.random.default_rng([seed, 1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for step in range(1, steps + 1):
        loss = lesson_loss(model, processor, protocol, [lesson(rng) for _ in range(BATCH)], rng)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        seen(step, float(loss.detach()))

    def write(place: Path) -> None:
        save_checkpoint(model, processor, place)
        (place / "README.md").write_text(base_card(seed, steps), encoding="utf-8")

    write_folder(folder, write)
    return time.perf_counter() - start


def lesson_loss(
    model: Any,
    processor: Any,
    protocol: Protocol,
    lessons: list[Lesson],
    rng: np.random.Generator,
) -> torch.Tensor:
    """Cross-entropy of the written tokens, end token included, nats per token."""
    pictures = _inputs(processor, [drawn(each.scene, rng) for each in lessons])
    pages = [
        _page(processor, protocol, each, picture)
        for each, picture in zip(lessons, pictures, strict=True)
    ]
    # Captions are a third of a question's length: two batches of like lengths need less padding.
    pages.sort(key=lambda page: len(page.read) + len(page.written))
    half = len(pages) // 2
    total = sum(len(page.written) for page in pages)
    return (
        torch.stack([_loss_sum(model, part) for part in (pages[:half], pages[half:])]).sum() / total
    )


@dataclass(frozen=True)
class _Page:
    """A lesson in tokens: what is read, then what is to be written."""

    read: tuple[int, ...]
    written: tuple[int, ...]
    picture: ImageInputs


def _page(processor: Any, protocol: Protocol, each: Lesson, picture: ImageInputs) -> _Page:
    tokenizer = processor.tokenizer
    view = context(
        each.speaker,
        Question(each.problem, each.answer),
        prompt=protocol.prompt,
        reasoning_prefix=each.prefix or "student",
    )
    # The picture itself is not read here: its grid alone says how many tokens it takes.
    prompt = as_prompt(view, (EncodedImage(b"", ""),), "")
    ids = tokenizer(each.text, add_special_tokens=False)["input_ids"]
    read = context_ids(processor, prompt, picture.grids)
    return _Page(read, (*ids, tokenizer.eos_token_id), picture)


def _loss_sum(model: Any, pages: list[_Page]) -> torch.Tensor:
    pictures = [page.picture for page in pages]
    batch = sequences(
        [(*page.read, *page.written) for page in pages],
        pictures,
        image_token_id=model.config.image_token_id,
        merge_size=model.model.visual.spatial_merge_size,
        device="cpu",
    )
    features = image_features(model.model, pictures, patch_budget=PATCHES)
    hidden = hidden_states(model.model, batch, features)
    predicting = [
        hidden[row, len(page.read) - 1 : len(page.read) - 1 + len(page.written)]
        for row, page in enumerate(pages)
    ]
    targets = torch.tensor([token for page in pages for token in page.written])
    logits = model.lm_head(torch.cat(predicting))
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum")


def _inputs(processor: Any, pictures: list[Image.Image]) -> list[ImageInputs]:
    """Every picture as its own inputs, from one call of the image processor: all are one size."""
    made = processor.image_processor(images=pictures, return_tensors="pt")
    pixels = made["pixel_values"].chunk(len(pictures))
    grids = made["image_grid_thw"].split(1)
    return [ImageInputs(p, g) for p, g in zip(pixels, grids, strict=True)]
