"""Short training runs in the toy world, measured as they go: what the study and the tests share.

Rows are drawn in memory and a trainer is built as a run builds it; checkpoints, resuming and log
files are left to `vigos-train run`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vigos_eval.extract import parse_response
from vigos_eval.types import EncodedImage
from vigos_train.config import TrainConfig
from vigos_train.evaluation import is_due
from vigos_train.parallel import open_parallel
from vigos_train.rollout import ask_all, training_protocol
from vigos_train.rows import Row
from vigos_train.samplers import OwnSampler
from vigos_train.step_log import is_right
from vigos_train.student import Student, load_student
from vigos_train.toy.files import Asked, png, training_question, vilp_rows
from vigos_train.toy.world import drawn
from vigos_train.trainer import Trainer

CONFLICT_PLACES = (1, 2)


@dataclass(frozen=True)
class Exam:
    """ViLP-like questions in memory.

    Attributes:
        rows: Question and picture; the answer is what the picture shows.
        asked: Scene and aspect of every row.
        priors: The usual answer of every row.
        is_conflict: The picture speaks against the prior.
    """

    rows: Sequence[Row]
    asked: Sequence[Asked]
    priors: Sequence[str]
    is_conflict: Sequence[bool]


def training_rows(count: int, aligned: float, seed: int) -> list[Row]:
    """Rows to train on, `aligned` of them (fraction in [0, 1], per aspect) as usual."""
    rng = np.random.default_rng([seed, 40])
    return [as_row(f"{n}", training_question(rng, aligned), rng) for n in range(count)]


def exam(questions: int, seed: int) -> Exam:
    """`questions` questions with three pictures each: one as usual, two against the prior."""
    rng = np.random.default_rng([seed, 50])
    rows: list[Row] = []
    every: list[Asked] = []
    priors: list[str] = []
    conflicts: list[bool] = []
    for number, (_, asked) in enumerate(vilp_rows(rng, questions)):
        for place, each in enumerate(asked):
            rows.append(as_row(f"{number}.{place}", each, rng))
            every.append(each)
            priors.append(asked[0].answer)
            conflicts.append(place in CONFLICT_PLACES)
    return Exam(rows, every, priors, conflicts)


def as_row(name: str, asked: Asked, rng: np.random.Generator) -> Row:
    """The question as a training row, its picture drawn."""
    stored = png(drawn(asked.scene, rng))
    image = EncodedImage(stored, hashlib.sha256(stored).hexdigest())
    return Row(name, asked.problem, asked.answer, (image,))


def trial(
    config: TrainConfig,
    rows: Sequence[Row],
    questions: Exam,
    *,
    every: int,
    start: Mapping[str, float] | None = None,
) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Train, and yield (steps done, `marks`) before the first step, every so often and at the end.

    Args:
        config: The run; `optim.max_steps` is its length.
        rows: What is trained on.
        questions: What is asked.
        every: Optimizer steps between two measurements.
        start: The base's marks where they are known: an untrained adapter changes nothing.
    """
    trainer = open_trainer(config, rows)
    yield 0, marks(trainer, questions) if start is None else start
    numbers: Mapping[str, float] = {}
    while trainer.done < trainer.total_steps:
        numbers = trainer.step().numbers
        if is_due(trainer.done, every, trainer.total_steps):
            logged = {k: v for k, v in numbers.items() if not k.startswith("seconds")}
            yield trainer.done, {**marks(trainer, questions), **logged}


def open_trainer(
    config: TrainConfig, rows: Sequence[Row], student: Student | None = None
) -> Trainer:
    """A trainer with rollouts by the network itself."""
    import torch

    parallel = open_parallel()
    torch.manual_seed(config.optim.seed + 1)
    if student is None:
        student = load_student(
            config.model, config.lora, device=parallel.device, seed=config.optim.seed
        )
    return Trainer(
        config=config,
        student=student,
        sampler=OwnSampler(student, config.rollout.window),
        rows=rows,
        parallel=parallel,
        protocol=training_protocol(config.protocol),
        total_steps=config.optim.max_steps,
    )


def marks(trainer: Trainer, questions: Exam) -> dict[str, float]:
    """Greedy shares, fractions in [0, 1].

    ``aligned`` and ``conflict``: answered right where the picture is as usual, or against it, and
    per aspect (``conflict_color``, ``conflict_number``); ``says_prior``: conflict pictures answered
    with the usual; ``description_aligned`` and ``description_conflict``: the description holds
    what the picture shows; ``format``.
    """
    named = [(n, f"exam {n}") for n in range(len(questions.rows))]
    asked, _ = ask_all(questions.rows, named, trainer.student, trainer.protocol, limit=10**9)
    greedy = replace(trainer.decoding(), temperature=0.0)
    found = trainer.sampler.sample(asked, greedy, trainer.done)
    facts: dict[str, list[bool]] = {}
    for n, completion in enumerate(found):
        row, text = questions.rows[n], completion.text
        whole = parse_response(trainer.protocol.prefill + text, completion.finish_reason)
        kind = "conflict" if questions.is_conflict[n] else "aligned"
        seen = row.answer in text.partition("</description>")[0].replace(".", " ").split()
        for name in (kind, f"{kind}_{questions.asked[n].aspect}"):
            facts.setdefault(name, []).append(is_right(text, row.answer))
        facts.setdefault(f"description_{kind}", []).append(seen)
        facts.setdefault("format", []).append(whole.is_format_valid)
        if questions.is_conflict[n]:
            facts.setdefault("says_prior", []).append(is_right(text, questions.priors[n]))
    return {name: sum(each) / len(each) for name, each in facts.items()}
