"""What one optimizer step says about itself: numbers per segment, rates, lengths, times. No files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vigos_eval.extract import last_boxed
from vigos_eval.grading import grade
from vigos_eval.grading.kinds import kind_of_gold
from vigos_eval.types import AnswerKind, Outcome, Sample
from vigos_train.contexts import short_answer
from vigos_train.rollout import Rollout
from vigos_train.routing import Segment
from vigos_train.scoring import ScoredPart


@dataclass
class StepRecord:
    """One rank's part of a step, filled while it runs.

    Attributes:
        sums: Clipped loss summed over a segment's tokens, nats.
        kl: Unclipped KL of every scored token, nats.
        clipped: Scored tokens that met the clip.
        lengths: Sampled tokens of each rollout.
        counts: Rollouts that are valid, answered, right, truncated; rows skipped.
        seconds: By part of the step: rollout, scoring, backward, update.
        peak_gib: Largest memory of the device, GiB (0 on a CPU).
    """

    sums: dict[Segment, float] = field(default_factory=dict)
    kl: dict[Segment, list[float]] = field(default_factory=dict)
    clipped: dict[Segment, int] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_gib: float = 0.0

    def add_rollouts(self, rollouts: Sequence[Rollout], skipped: int) -> None:
        """Count what was sampled."""
        self.lengths += [len(each.ids) for each in rollouts]
        for name, amount in (
            ("rollouts", len(rollouts)),
            ("valid", sum(each.spans.is_valid for each in rollouts)),
            ("answered", sum(last_boxed(each.text) is not None for each in rollouts)),
            ("right", sum(_is_right(each) for each in rollouts)),
            ("truncated", sum(each.is_truncated for each in rollouts)),
            ("skipped", skipped),
        ):
            self.counts[name] = self.counts.get(name, 0) + amount

    def add_part(self, part: ScoredPart) -> None:
        """Take in what was scored."""
        for segment, total in part.sums.items():
            if part.tokens[segment]:
                self.sums[segment] = self.sums.get(segment, 0.0) + float(total.detach())
        for each in part.kls:
            self.kl.setdefault(each.segment, []).extend(each.kl.tolist())
            clipped = int(each.clipped.sum())
            self.clipped[each.segment] = self.clipped.get(each.segment, 0) + clipped

    def add_seconds(self, name: str, seconds: float) -> None:
        """Add to one part's time."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


def _is_right(rollout: Rollout) -> bool:
    row = rollout.asked.row
    return is_right(rollout.text, row.answer, row.problem)


def step_numbers(
    records: Sequence[StepRecord], weights: Mapping[Segment, float]
) -> dict[str, float]:
    """The step over all ranks, by the names under which it is logged.

    `loss` is the method's objective at the whole step's counts, whatever the gradient's
    normalisation was.

    >>> numbers = step_numbers([StepRecord(kl={Segment.PERCEPTION: [0.1, 0.3]},
    ...     sums={Segment.PERCEPTION: 0.1})], {Segment.PERCEPTION: 2.0})
    >>> numbers["loss"], numbers["loss/perception"], round(numbers["kl_mean/perception"], 6)
    (0.1, 0.05, 0.2)
    """
    numbers: dict[str, float] = {"loss": 0.0}
    for segment in Segment:
        values = [value for record in records for value in record.kl.get(segment, [])]
        if not values:
            continue
        mean = sum(record.sums.get(segment, 0.0) for record in records) / len(values)
        numbers["loss"] += weights.get(segment, 1.0) * mean
        numbers[f"loss/{segment}"] = mean
        numbers[f"kl_mean/{segment}"] = float(np.mean(values))
        numbers[f"kl_p90/{segment}"] = float(np.quantile(values, 0.9))
        numbers[f"clipped/{segment}"] = sum(r.clipped.get(segment, 0) for r in records) / len(
            values
        )
        numbers[f"tokens/{segment}"] = len(values)
    numbers.update(_rates(records))
    # A step is as slow as its slowest rank.
    for name in sorted({name for record in records for name in record.seconds}):
        numbers[f"seconds/{name}"] = max(record.seconds.get(name, 0.0) for record in records)
    whole = sum(value for name, value in numbers.items() if name.startswith("seconds/"))
    if whole > 0:
        sampled = sum(sum(record.lengths) for record in records)
        numbers["seconds"] = whole
        numbers["tokens_per_second"] = sampled / whole
    numbers["peak_gib"] = max(record.peak_gib for record in records)
    return numbers


def _rates(records: Sequence[StepRecord]) -> dict[str, float]:
    counts: dict[str, int] = {}
    for record in records:
        for name, amount in record.counts.items():
            counts[name] = counts.get(name, 0) + amount
    lengths = [length for record in records for length in record.lengths]
    rates: dict[str, float] = {"skipped_rows": counts.get("skipped", 0)}
    if rollouts := counts.get("rollouts", 0):
        rates["format_rate"] = counts["valid"] / rollouts
        rates["fallback_rate"] = 1 - rates["format_rate"]
        rates["answer_rate"] = counts["answered"] / rollouts
        rates["match_rate"] = counts["right"] / rollouts
        rates["truncated_rate"] = counts["truncated"] / rollouts
        rates["length_mean"] = float(np.mean(lengths))
        rates["length_max"] = max(lengths)
    return rates


def is_right(text: str, reference: str, problem: str = "") -> bool:
    r"""The rollout's last closed box is the row's answer, by the evaluation's rules, without a judge.

    A training curve, no score: options are not known here, so a letter is right by its letter
    alone, and a free text that only a judge could decide counts as wrong.

    >>> is_right(r"</think> \boxed{(B)}", "b."), is_right(r"\boxed{0.50}", r"\frac{1}{2}")
    (True, True)
    >>> is_right(r"\boxed{C}", "B"), is_right("B", "B")
    (False, False)
    """
    answer, gold = last_boxed(text), short_answer(reference)
    if answer is None or not gold:
        return False
    # A letter names an option and is no formula: "b." is "(B)".
    is_letter = len(gold.strip("(). ")) == 1 and gold.strip("(). ").isalpha()
    kind = AnswerKind.CHOICE if is_letter else kind_of_gold(gold)
    sample = Sample("training", "paper", "row", problem, gold, kind, cluster="row")
    return grade(answer, sample).outcome is Outcome.CORRECT
