"""Complete run folders made from random numbers, written through records.py. For tests and bench.

`write_run(folder, {"mmmu": 40, "vilp_f": 12})` writes run.json, completions.jsonl,
verdicts.jsonl, scores.json and (with ``images=True``) images/. Two runs with the same tasks and
`question_seed` hold the same questions, so they can be paired.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from vigos_eval.metrics import run_scores, scores_text
from vigos_eval.protocol import fingerprint, load_protocol
from vigos_eval.records import (
    Attempt,
    CompletionRecord,
    ImageRef,
    Response,
    VerdictRecord,
    completion_line,
    verdict_line,
)
from vigos_eval.types import AnswerKind, Outcome, Sample

SUBGROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "mmmu": {"subject": ("Art", "Biology", "Math", "Physics")},
    "mmmu_pro": {"part": ("standard", "vision")},
    "mathverse": {
        "version": (
            "Text Dominant",
            "Text Lite",
            "Vision Intensive",
            "Vision Dominant",
            "Vision Only",
        )
    },
    "mathvista": {"task": ("figure question answering", "geometry problem solving")},
    "mmsi": {"type": ("Positional Relationship", "Motion")},
    "cv_bench": {
        "task": ("Count", "Relation", "Depth", "Distance"),
        "source": ("ADE20K", "COCO", "Omni3D", "Omni3D"),
    },
    "vilp_f": {"position": ("image1", "image2", "image3")},
    "vilp_p": {"position": ("image1", "image2", "image3")},
}
PER_CLUSTER = {"mathverse": 5, "mmmu_pro": 2, "vilp_f": 3, "vilp_p": 3}


@dataclass(frozen=True)
class Model:
    """How a pretended model answers.

    Attributes:
        accuracy: Mean chance that an attempt is right.
        spread: How much questions differ: 0 all alike, towards 1 right or wrong for ever.
        unparsed: Chance that a response has no box.
        truncated: Chance that a response is cut off; it then has no box either.
        ungraded: Chance that a question's first attempt is UNGRADED.
        words: Words of reasoning per response.
    """

    accuracy: float = 0.5
    spread: float = 0.5
    unparsed: float = 0.03
    truncated: float = 0.02
    ungraded: float = 0.0
    words: int = 20


def write_run(
    folder: Path,
    tasks: Mapping[str, int],
    model: Model = Model(),
    *,
    seed: int = 0,
    question_seed: int = 7,
    settings: Mapping[str, Any] | None = None,
) -> Path:
    """Write a run of `tasks` (label -> questions); returns the folder.

    `settings` replaces keys of run.json; ``k``, ``protocol`` (a shipped name) and ``images``
    (bool: draw and write the images) are taken from it first.
    """
    given = dict(settings or {})
    protocol = load_protocol(given.pop("protocol", "paper"))
    k = given.pop("k", protocol.repeats)
    with_images = given.pop("images", False)
    folder.mkdir(parents=True, exist_ok=True)
    completions: dict[str, CompletionRecord] = {}
    verdicts: dict[str, VerdictRecord] = {}
    ks = {label: protocol.vilp_repeats if "vilp" in label else k for label in tasks}
    for label, count in tasks.items():
        rng = np.random.default_rng([seed, len(label), sum(map(ord, label))])
        chances = _chances(count, model, question_seed)
        for sample, png in samples(label, count, is_drawn=with_images):
            i = int(sample.id)
            record, verdict = _answered(sample, png, float(chances[i]), (ks[label], model, rng))
            completions[record.key], verdicts[record.key] = record, verdict
            if with_images:
                (folder / "images").mkdir(exist_ok=True)
                (folder / "images" / f"{record.images[0].sha256}.png").write_bytes(png)
    with (folder / "completions.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(map(completion_line, completions.values()))
    with (folder / "verdicts.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(map(verdict_line, verdicts.values()))
    (folder / "scores.json").write_text(scores_text(run_scores(completions, verdicts)))
    control = given.get("control")
    generation = {
        "model": {"pretrained": f"example/{folder.name}"},
        "protocol": protocol.generation_fields(),
        "control": control,
    }
    run = {
        "schema": 1,
        "name": folder.name,
        "protocol": asdict(protocol),
        "fingerprint": fingerprint(generation),
        "fingerprint_fields": generation,
        "model": {"pretrained": f"example/{folder.name}"},
        "engine": "hf",
        "control": None,
        "partial": False,
        "limit": None,
        "tasks": {
            label: {
                "source": "official" if label.endswith("_official") else "paper",
                "dataset": f"example/{label}",
                "revision": "0" * 40,
                "split": "test",
                "questions": count,
                "asked": count,
                "k": ks[label],
            }
            for label, count in tasks.items()
        },
        "versions": {"vigos": "0.1.0", "lmms-eval": "0.7.3"},
        "started": "2026-01-01T00:00:00+00:00",
        "skipped": 0,
    }
    (folder / "run.json").write_text(json.dumps({**run, **given}, indent=2))
    return folder


def samples(label: str, count: int, *, is_drawn: bool) -> Iterator[tuple[Sample, bytes]]:
    """The questions of a task, each with its image: a PNG if drawn, else bytes that stand for it."""
    task = label.removesuffix("_official")
    size = PER_CLUSTER.get(task, 1)
    for i in range(count):
        is_vilp = task.startswith("vilp")
        gold = ("apple", "pear", "plum")[i % 3] if is_vilp else "ABCD"[i % 4]
        text = f"{task.removesuffix('_f').removesuffix('_p')} {i}"
        png = _png(text) if is_drawn else text.encode()
        sample = Sample(
            task=task,
            source="official" if label.endswith("_official") else "paper",
            id=str(i),
            question=f"Question {i} of {label}: which one is it?",
            gold=gold,
            kind=AnswerKind.WORD if is_vilp else AnswerKind.CHOICE,
            cluster=f"c{i // size}",
            options=() if is_vilp else ("apple", "pear", "plum", "fig"),
            subgroups={
                name: groups[i % len(groups)] for name, groups in SUBGROUPS.get(task, {}).items()
            },
            grading={"rule": "vilp"} if is_vilp else {},
        )
        yield sample, png


def _png(text: str) -> bytes:
    image = Image.new("RGB", (160, 120), "white")
    ImageDraw.Draw(image).text((10, 50), text, fill="black")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _chances(count: int, model: Model, question_seed: int) -> Any:
    """Chance to be right per question: Beta with the model's mean, ranks fixed by the seed."""
    from scipy.stats import beta

    ranks = np.random.default_rng(question_seed).uniform(0.001, 0.999, count)
    size = max(1e-6, 1.0 / max(model.spread, 1e-6) - 1.0)
    accuracy = min(max(model.accuracy, 1e-6), 1 - 1e-6)
    return beta.ppf(ranks, accuracy * size, (1 - accuracy) * size)


def _answered(
    sample: Sample, png: bytes, chance: float, how: tuple[int, Model, Any]
) -> tuple[CompletionRecord, VerdictRecord]:
    k, model, rng = how
    label = sample.task if sample.source == "paper" else f"{sample.task}_official"
    digest = hashlib.sha256(png).hexdigest()
    key = f"{label}:{sample.id}"
    draws = rng.random((k, 3))
    tokens = rng.integers(10, 20 + 2 * model.words, k)
    pairs = [
        _attempt(sample, tuple(draws[j] < (chance, model.unparsed, model.truncated)), model, j)
        for j in range(k)
    ]
    attempts = [attempt for _, attempt in pairs]
    if rng.random() < model.ungraded:
        attempts[0] = Attempt(
            attempts[0].answer, Outcome.UNGRADED, "undecided", "none", True, False, False
        )
    responses = tuple(
        Response(text, int(tokens[j]), "length" if attempts[j].is_truncated else "stop", 42 + j)
        for j, (text, _) in enumerate(pairs)
    )
    record = CompletionRecord(
        key=key,
        prompt_hash=hashlib.sha256(f"{sample.question}{digest}".encode()).hexdigest()[:16],
        sample=sample,
        images=(ImageRef(digest, ".png"),),
        prompt_tokens=200,
        responses=responses,
    )
    return record, VerdictRecord(key, "rules-1", tuple(attempts))


def _attempt(
    sample: Sample, drawn: tuple[bool, bool, bool], model: Model, j: int
) -> tuple[str, Attempt]:
    is_right, is_unparsed, is_truncated = (bool(x) for x in drawn)
    others = ("apple", "pear", "plum") if sample.kind is AnswerKind.WORD else tuple("ABCD")
    wrong = others[(others.index(sample.gold) + 1 + j) % len(others)]
    if wrong == sample.gold:
        wrong = others[(others.index(sample.gold) + 1) % len(others)]
    head = f"<description>a card with words</description><think>{'so it is ' * (model.words // 3)}"
    if is_truncated or is_unparsed:
        text = head if is_truncated else f"{head}</think> I do not know."
        return text, Attempt(None, Outcome.WRONG, "no answer", "none", False, True, is_truncated)
    answer = sample.gold if is_right else wrong
    outcome = Outcome.CORRECT if is_right else Outcome.WRONG
    official = outcome if sample.kind is AnswerKind.WORD else None
    return f"{head}</think> \\boxed{{{answer}}}", Attempt(
        answer,
        outcome,
        f"{answer!r} against gold {sample.gold!r}",
        "rules",
        True,
        False,
        False,
        official,
    )
