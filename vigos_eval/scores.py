"""Scores of a run as records, and as scores.json with deterministic bytes. No formula here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from vigos_eval.types import Score

SCHEMA = 1

UNGRADED_LIMIT = 0.01
"""Above this share of ungraded questions a score is withheld unless the user allows it."""


@dataclass(frozen=True)
class GroupScore:
    """One subgroup of a task: questions, Pass@k over all k attempts, and Avg@k."""

    n: int
    best: Score
    avg: Score


@dataclass(frozen=True)
class TaskScore:
    """Everything measured on one task.

    Attributes:
        label: ``mmmu``, or ``mmmu_official``.
        n: Questions in the run, skipped ones included.
        graded: Questions in the means.
        ungraded: Questions left out because grading failed on an attempt.
        skipped: Questions never asked (unreadable image).
        k: Responses per question; 0 when none was asked.
        passes: Pass@1 .. Pass@k.
        avg: Avg@k.
        unparsed: Share of responses without an answer, in [0, 1]; NaN when none was asked.
        truncated: Share of responses cut off at the token limit.
        format_valid: Share of responses with all three segments.
        mean_tokens: Sampled tokens per response.
        subgroups: Group name -> group -> score, e.g. ``subject`` -> ``Math``.
        vilp: ViLP only: rule (``word`` ours, ``vilp_rule`` official) -> ``score``, ``prior``,
            ``image1`` .. ``image3``; with several responses any correct one counts.
    """

    label: str
    n: int
    graded: int
    ungraded: int
    skipped: int
    k: int
    passes: tuple[Score, ...]
    avg: Score
    unparsed: float
    truncated: float
    format_valid: float
    mean_tokens: float
    subgroups: Mapping[str, Mapping[str, GroupScore]] = field(default_factory=dict)
    vilp: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)

    @property
    def is_withheld(self) -> bool:
        """More than 1 % of the questions are ungraded: no score without the user's leave."""
        asked = self.n - self.skipped
        return asked > 0 and self.ungraded > UNGRADED_LIMIT * asked


@dataclass(frozen=True)
class RunScores:
    """The scores of one run.

    Attributes:
        tasks: By label, sorted.
        means: Mean over the eight benchmarks, by ``pass@j`` and ``avg@k``; suffix ``_official``
            for the official sources. Only there when all eight are.
    """

    tasks: Mapping[str, TaskScore]
    means: Mapping[str, Score]


def scores_text(scores: RunScores) -> str:
    """scores.json: keys sorted, NaN as null, the shortest digits that give the number back.

    >>> print(scores_text(RunScores({}, {"avg@1": Score(0.5, math.nan, 1, 0)})).replace("\\n", ""))
    {  "means": {    "avg@1": {      "graded": 1,      "stderr": null,      "ungraded": 0,      "value": 0.5    }  },  "schema": 1,  "tasks": {}}
    """
    fields = {"schema": SCHEMA, **asdict(scores)}
    return json.dumps(_nan_as_null(fields), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _nan_as_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _nan_as_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_as_null(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def parse_scores(text: str) -> RunScores:
    """scores.json's text as scores.

    Raises:
        ValueError: The text is not JSON, or not scores of this schema.

    >>> parse_scores(scores_text(RunScores({}, {}))) == RunScores({}, {})
    True
    """
    try:
        fields: dict[str, Any] = json.loads(text)
        if fields["schema"] != SCHEMA:
            raise ValueError(f"scores of schema {fields['schema']!r}; this version reads {SCHEMA}")
        return RunScores(
            tasks={label: _task(task) for label, task in fields["tasks"].items()},
            means={name: _score(score) for name, score in fields["means"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not scores: {error!r}") from error


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _score(fields: Mapping[str, Any]) -> Score:
    return Score(
        _number(fields["value"]), _number(fields["stderr"]), fields["graded"], fields["ungraded"]
    )


def _task(fields: Mapping[str, Any]) -> TaskScore:
    return TaskScore(
        **{
            **fields,
            "passes": tuple(_score(score) for score in fields["passes"]),
            "avg": _score(fields["avg"]),
            "unparsed": _number(fields["unparsed"]),
            "truncated": _number(fields["truncated"]),
            "format_valid": _number(fields["format_valid"]),
            "mean_tokens": _number(fields["mean_tokens"]),
            "subgroups": {
                name: {
                    group: GroupScore(found["n"], _score(found["best"]), _score(found["avg"]))
                    for group, found in groups.items()
                }
                for name, groups in fields["subgroups"].items()
            },
            "vilp": {
                rule: {name: _score(score) for name, score in parts.items()}
                for rule, parts in fields["vilp"].items()
            },
        }
    )
