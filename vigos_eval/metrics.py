"""Marks -> scores: Pass@j for every j <= k, Avg@k, ViLP Score / Prior, shares, the mean of eight.

Verdicts are grading's subject, errors stats.py's, tables report's.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import comb

from vigos_eval.errors import RunFolderError
from vigos_eval.marks import POSITION, PRIOR_POSITION, SCORE_POSITIONS, Mark, marks_of
from vigos_eval.records import CompletionRecord, VerdictRecord
from vigos_eval.scores import (
    GroupScore,
    RunScores,
    TaskScore,
)
from vigos_eval.scores import parse_scores as parse_scores
from vigos_eval.scores import scores_text as scores_text
from vigos_eval.stats import clustered_mean, mean_of_independent, share_stderr
from vigos_eval.types import Score

EIGHT = (
    "mm_vet",
    "mmmu",
    "mmmu_pro",
    "mathverse",
    "mathvista",
    "mmsi",
    "realworldqa",
    "cv_bench",
)
"""The benchmarks of the table's mean, in the table's order."""

# CV-Bench's official figure is (2D + 3D)/2 with 2D = (ADE20K + COCO)/2.
CV_BENCH_SHARES = {"ADE20K": 0.25, "COCO": 0.25, "3D": 0.5}


def pass_at_k(attempts: int, correct: int, k: int) -> float:
    """Chance that at least one of `k` attempts, drawn without replacement, is correct.

    The unbiased estimator 1 - C(n-c, k) / C(n, k) of Chen et al. 2021 (arXiv:2107.03374, eq. 1).

    Args:
        attempts: n, graded attempts at one question.
        correct: c, how many of them were correct.
        k: Draws; any k up to n can be read off the same n attempts.

    Raises:
        ValueError: k is outside 1..n. There is no estimate, and 1.0 would be a lie.

    >>> pass_at_k(attempts=4, correct=1, k=1), pass_at_k(attempts=4, correct=1, k=4)
    (0.25, 1.0)
    """
    if not 1 <= k <= attempts:
        raise ValueError(f"pass@{k} needs 1 <= k <= attempts, got attempts={attempts}")
    return 1.0 - comb(attempts - correct, k) / comb(attempts, k)


def run_scores(
    completions: Mapping[str, CompletionRecord], verdicts: Mapping[str, VerdictRecord]
) -> RunScores:
    """The scores of a run from its records.

    Raises:
        RunFolderError: A question without its verdicts, a verdict without its question, or
            questions of one task with different numbers of responses.
    """
    return scores_of(marks_of(completions.values(), verdicts))


def scores_of(marks: Iterable[Mark]) -> RunScores:
    """The scores of a run from its marks, which must be sorted by key.

    Raises:
        RunFolderError: Questions of one task have different numbers of responses.
    """
    by_label: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        by_label[mark.label].append(mark)
    tasks = {label: _task_score(label, by_label[label]) for label in sorted(by_label)}
    return RunScores(tasks, {**means_of_eight(tasks, ""), **means_of_eight(tasks, "_official")})


def responses_per_question(label: str, marks: Iterable[Mark]) -> int:
    """k: how many responses every question of the task has; 0 when none was asked.

    Raises:
        RunFolderError: The questions differ; names one of each number.
    """
    example: dict[int, str] = {}
    for mark in marks:
        if not mark.is_skipped:
            example.setdefault(mark.attempts, mark.key)
    if len(example) > 1:
        found = ", ".join(f"{k} at {key}" for k, key in sorted(example.items()))
        raise RunFolderError(
            f"{label}: questions have different numbers of responses ({found}); "
            "finish the run with its own command before scoring it"
        )
    return next(iter(example), 0)


def question_weights(label: str, marks: Sequence[Mark]) -> tuple[list[float], list[str]] | None:
    """Weights and strata of the graded questions when the task's mean is no plain one, else None.

    Only CV-Bench's official figure is combined: each stratum's share is spread over its
    questions. A stratum without a graded question leaves no combination; the weights are then empty.
    """
    if label != "cv_bench_official":
        return None
    strata = [_cv_bench_stratum(mark) for mark in marks]
    counts = {stratum: strata.count(stratum) for stratum in CV_BENCH_SHARES}
    if not all(counts.values()):
        return [], []
    return [CV_BENCH_SHARES[s] / counts[s] for s in strata], strata


def _cv_bench_stratum(mark: Mark) -> str:
    source = mark.subgroups.get("source", "")
    return source if source in CV_BENCH_SHARES else "3D"


def _score(
    marks: Sequence[Mark], value: Callable[[Mark], float], ungraded: int, label: str = ""
) -> Score:
    """Mean of `value` over graded marks, combined as `label` asks for."""
    combined = question_weights(label, marks) if marks else None
    if combined == ([], []):
        return Score(math.nan, math.nan, len(marks), ungraded)
    weights, strata = combined or (None, None)
    found = clustered_mean([value(m) for m in marks], [m.cluster for m in marks], weights, strata)
    return Score(found.value, share_stderr(found), len(marks), ungraded)


def _task_score(label: str, marks: Sequence[Mark]) -> TaskScore:
    k = responses_per_question(label, marks)
    asked = [mark for mark in marks if not mark.is_skipped]
    graded = [mark for mark in asked if not mark.ungraded]
    ungraded = len(asked) - len(graded)
    responses = k * len(asked)

    def share(count: Callable[[Mark], int]) -> float:
        return sum(map(count, asked)) / responses if responses else math.nan

    is_vilp = label.startswith("vilp")
    return TaskScore(
        label=label,
        n=len(marks),
        graded=len(graded),
        ungraded=ungraded,
        skipped=len(marks) - len(asked),
        k=k,
        passes=tuple(_score(graded, _pass_value(k, j), ungraded, label) for j in range(1, k + 1)),
        avg=_score(graded, lambda m: m.correct / m.attempts, ungraded, label),
        unparsed=share(lambda m: m.unparsed),
        truncated=share(lambda m: m.truncated),
        format_valid=share(lambda m: m.format_valid),
        mean_tokens=share(lambda m: m.tokens),
        subgroups=_subgroups(asked, k),
        vilp={
            "word": _vilp_scores(asked, lambda m: m.correct, lambda m: m.ungraded),
            "vilp_rule": _vilp_scores(
                asked, lambda m: m.official_correct, lambda m: m.official_ungraded
            ),
        }
        if is_vilp
        else {},
    )


def _pass_value(k: int, j: int) -> Callable[[Mark], float]:
    table = [pass_at_k(k, correct, j) for correct in range(k + 1)]
    return lambda mark: table[mark.correct]


def _subgroups(asked: Sequence[Mark], k: int) -> dict[str, dict[str, GroupScore]]:
    members: dict[str, dict[str, list[Mark]]] = defaultdict(lambda: defaultdict(list))
    for mark in asked:
        for name, group in mark.subgroups.items():
            members[name][group].append(mark)
    return {
        name: {group: _group_score(members[name][group], k) for group in sorted(members[name])}
        for name in sorted(members)
    }


def _group_score(asked: Sequence[Mark], k: int) -> GroupScore:
    graded = [mark for mark in asked if not mark.ungraded]
    ungraded = len(asked) - len(graded)
    return GroupScore(
        n=len(asked),
        best=_score(graded, _pass_value(k, k), ungraded),
        avg=_score(graded, lambda m: m.correct / m.attempts, ungraded),
    )


def _vilp_scores(
    asked: Sequence[Mark], correct: Callable[[Mark], int], ungraded: Callable[[Mark], int]
) -> dict[str, Score]:
    """Score over the images that contradict the prior, Prior over the one that agrees with it."""
    parts = {
        "score": SCORE_POSITIONS,
        "prior": (PRIOR_POSITION,),
        "image1": ("image1",),
        "image2": ("image2",),
        "image3": ("image3",),
    }
    found = {}
    for name, positions in parts.items():
        here = [mark for mark in asked if mark.subgroups.get(POSITION) in positions]
        graded = [mark for mark in here if not ungraded(mark)]
        found[name] = _score(graded, lambda m: float(correct(m) > 0), len(here) - len(graded))
    return found


def means_of_eight(tasks: Mapping[str, TaskScore], suffix: str) -> dict[str, Score]:
    """Unweighted means over the eight benchmarks whose labels end in `suffix`; {} unless all there.

    The benchmarks are independent draws, so the error is sqrt(sum of squares) / 8.
    """
    eight = [tasks[name + suffix] for name in EIGHT if name + suffix in tasks]
    if len(eight) < len(EIGHT) or any(math.isnan(task.avg.value) for task in eight):
        return {}
    means = {}
    for j in range(1, min(task.k for task in eight) + 1):
        means[f"pass@{j}{suffix}"] = _mean_score([task.passes[j - 1] for task in eight])
    if len({task.k for task in eight}) == 1:
        means[f"avg@{eight[0].k}{suffix}"] = _mean_score([task.avg for task in eight])
    return means


def _mean_score(scores: Sequence[Score]) -> Score:
    value, stderr = mean_of_independent([(score.value, score.stderr) for score in scores])
    return Score(value, stderr, sum(s.graded for s in scores), sum(s.ungraded for s in scores))
