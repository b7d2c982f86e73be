"""Held-out rows and prior flips while training: greedy, without a judge. The benchmarks are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vigos_eval.errors import DataError
from vigos_eval.extract import parse_response
from vigos_eval.types import Completion, EncodedImage
from vigos_train.config import DataConfig
from vigos_train.data import Rows, encoded_image
from vigos_train.rollout import Asked, ask_all
from vigos_train.rows import Row, without_image_marks
from vigos_train.step_log import is_right
from vigos_train.tables import open_table
from vigos_train.trainer import Trainer

IMAGES = (1, 2, 3)


@dataclass(frozen=True)
class FlipRows:
    """ViLP-like questions, three images each: the first agrees with the prior, the others do not.

    Attributes:
        rows: One row per question and image; its answer is that image's.
        priors: The prior's answer (image 1's) per row.
        is_conflict: The image speaks against the prior, per row.
    """

    rows: Sequence[Row]
    priors: Sequence[str]
    is_conflict: Sequence[bool]


def flip_rows(source: str) -> FlipRows:
    """Rows in ViLP's schema (question, image1..3, answer1..3) from any storage `data` reads.

    Raises:
        DataError: Not there, or a column is missing.
    """
    table, folder = open_table(DataConfig(source=source))
    rows: list[Row] = []
    priors: list[str] = []
    conflicts: list[bool] = []
    for number, fields in enumerate(table):
        wanted = ["question", *(f"{name}{i}" for name in ("image", "answer") for i in IMAGES)]
        if missing := [name for name in wanted if name not in fields]:
            raise DataError(
                f"{source} has no column {missing[0]!r}; a prior-flip set has {', '.join(wanted)}"
            )
        for i in IMAGES:
            image: EncodedImage = encoded_image(fields[f"image{i}"], folder, f"row {number}")
            problem = without_image_marks(str(fields["question"]))
            rows.append(Row(f"{number}.{i}", problem, str(fields[f"answer{i}"]), (image,)))
            priors.append(str(fields["answer1"]))
            conflicts.append(i > 1)
    return FlipRows(rows, priors, conflicts)


def evaluate(trainer: Trainer, held_out: Rows, flips: FlipRows | None) -> dict[str, float]:
    """Greedy accuracy and format rate on held-out rows, prior-flip rate on `flips`; collective.

    ``eval/accuracy``, ``eval/format_rate``, ``eval/truncated_rate`` are shares of the held-out
    rows asked. ``eval/flip_prior`` is the share of conflict images answered with the prior,
    ``eval/flip_accuracy`` and ``eval/flip_aligned`` the shares answered right on conflict and
    prior-aligned images. A prior that is also the image's answer is no flip.
    """
    count = min(len(held_out), trainer.config.evaluation.rows)
    numbers: dict[str, float] = {}
    if count:
        answered = _greedy(trainer, held_out, range(count), "held out")
        rows = [(a.row, c) for a, c in answered]
        numbers |= _shares(trainer, "eval/", [_held_out_facts(trainer, r, c) for r, c in rows])
    if flips is not None and flips.rows:
        found = _greedy(trainer, flips.rows, range(len(flips.rows)), "flip")
        by_row = {asked.row.id: completion for asked, completion in found}
        numbers |= _shares(trainer, "eval/", list(_flip_facts(flips, by_row)))
    return numbers


def _greedy(
    trainer: Trainer, rows: Rows | Sequence[Row], numbers: range, name: str
) -> list[tuple[Asked, Completion]]:
    """This rank's share of the rows, answered greedily in one engine call."""
    mine = numbers[trainer.parallel.rank :: trainer.parallel.ranks]
    asked, _ = ask_all(
        rows,
        [(n, f"{name} {trainer.done}:{n}") for n in mine],
        trainer.student,
        trainer.protocol,
        trainer.config.rollout.max_prompt_tokens,
    )
    greedy = replace(trainer.decoding(), temperature=0.0)
    found = trainer.sampler.sample(asked, greedy, trainer.done)
    return list(zip(asked, found, strict=True))


def _held_out_facts(trainer: Trainer, row: Row, completion: Completion) -> Mapping[str, bool]:
    whole = parse_response(trainer.protocol.prefill + completion.text, completion.finish_reason)
    return {
        "accuracy": is_right(completion.text, row.answer, row.problem),
        "format_rate": whole.is_format_valid,
        "truncated_rate": whole.is_truncated,
    }


def _flip_facts(flips: FlipRows, by_row: Mapping[str, Completion]) -> Any:
    for row, prior, is_conflict in zip(flips.rows, flips.priors, flips.is_conflict, strict=True):
        if row.id not in by_row:
            continue
        text = by_row[row.id].text
        right = is_right(text, row.answer, row.problem)
        if is_conflict:
            is_prior = not right and is_right(text, prior, row.problem)
            yield {"flip_accuracy": right, "flip_prior": is_prior}
        else:
            yield {"flip_aligned": right}


def _shares(trainer: Trainer, prefix: str, facts: Sequence[Mapping[str, bool]]) -> dict[str, float]:
    """The share of each fact over all ranks."""
    true: dict[str, int] = {}
    asked: dict[str, int] = {}
    for part in trainer.parallel.gathered(list(facts)):
        for fact in part:
            for name, holds in fact.items():
                true[name] = true.get(name, 0) + holds
                asked[name] = asked.get(name, 0) + 1
    return {prefix + name: true[name] / asked[name] for name in sorted(asked)}


def flips_of(path: str) -> FlipRows | None:
    """`flip_rows`, or None for ""."""
    return flip_rows(path) if path else None


def is_due(step: int, every: int, total: int) -> bool:
    """Whether something that happens every so many steps, and at the end, happens now.

    >>> is_due(4, 4, 10), is_due(10, 4, 10), is_due(5, 4, 10), is_due(10, 0, 10)
    (True, True, False, False)
    """
    return every > 0 and (step % every == 0 or step == total)
