"""Two runs -> paired values per question, or a refusal that names the field. No verdict here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vigos_eval.errors import ConfigError, ProtocolMismatch, RunFolderError, UnpairedRunsError
from vigos_eval.marks import POSITION, PRIOR_POSITION, Mark
from vigos_eval.metrics import EIGHT, pass_at_k, question_weights
from vigos_eval.report.score_tables import is_vilp, task_order
from vigos_eval.scored_run import ScoredRun, differing_fields
from vigos_eval.stats import Floats, Ints, cluster_codes

GROUPS = {
    "vigos8": EIGHT,
    "vilp": ("vilp_f", "vilp_p"),
    "vigos": (*EIGHT, "vilp_f", "vilp_p"),
}


@dataclass(frozen=True)
class Metric:
    """What a question is worth: ``avg`` over its attempts, or Pass@j.

    Attributes:
        name: As the user wrote it: ``avg``, ``avg@5``, ``pass@3``.
        kind: ``avg`` or ``pass``.
        j: The number after the @; None takes the run's own k.
    """

    name: str
    kind: str
    j: int | None


@dataclass(frozen=True, eq=False)
class PairedTask:
    """The same questions in two runs.

    Attributes:
        name: Task label; ViLP has two, ``vilp_f score`` and ``vilp_f prior``.
        base: Value per question in the first run, shape (n,).
        candidate: The same for the second run.
        clusters: Integer codes, shape (n,); equal codes in two tasks are one cluster when pooled.
        weights: Share of each question in the task's mean, or None for a plain mean.
        strata: Groups behind the weights, or None.
        noise: Variance of candidate - base per question from sampling attempts alone, shape
            (n,); None when it cannot be known (one attempt, or Pass@j).
        is_noise_whole: False when `noise` is 0 for some questions because it is unknown there.
        k: Attempts per question.
        ungraded: Questions left out because grading failed in either run.
        asked: Questions asked in both runs.
    """

    name: str
    base: Floats
    candidate: Floats
    clusters: Ints
    weights: Floats | None = None
    strata: tuple[str, ...] | None = None
    noise: Floats | None = None
    is_noise_whole: bool = True
    k: int = 1
    ungraded: int = 0
    asked: int = 0


def parse_metric(text: str) -> Metric:
    """A metric's name as a Metric.

    Raises:
        ConfigError: Neither ``avg``, ``avg@K`` nor ``pass@J``.

    >>> parse_metric("pass@3")
    Metric(name='pass@3', kind='pass', j=3)
    """
    found = re.fullmatch(r"(avg)|(avg|pass)@([1-9]\d{0,3})", text)
    if found is None:
        raise ConfigError(f"--metric {text!r}; use avg, avg@K or pass@J, e.g. avg@5 or pass@1")
    return Metric(text, found[1] or found[2], int(found[3]) if found[3] else None)


def paired_tasks(
    base: ScoredRun, candidate: ScoredRun, metric: Metric, tasks: Sequence[str] | None = None
) -> list[PairedTask]:
    """The tasks of two runs, question by question.

    Raises:
        RunFolderError: A task without a question that both were asked.
        ProtocolMismatch: k differs.
        UnpairedRunsError: The questions differ; names three.
        ConfigError: A task neither run has, or a metric the runs cannot give.
    """
    labels = _labels(base, candidate, tasks)
    for label in labels:
        _refuse_other_questions(label, base, candidate)
    codes = _cluster_codes(base)
    found = []
    for label in labels:
        units = [("", label)] if not is_vilp(label) else [(" score", label), (" prior", label)]
        for suffix, name in units:
            pairs = [
                (a, b)
                for a, b in zip(_marks(base, name), _marks(candidate, name), strict=True)
                if not (a.is_skipped or b.is_skipped) and _belongs(a, suffix)
            ]
            found.append(_paired(name + suffix, pairs, metric, codes))
    return found


def refuse_incomparable(
    base: ScoredRun, candidate: ScoredRun, *, is_partial_allowed: bool = False
) -> None:
    """Raise unless the two runs were asked and graded alike, and (but for planning) wholly.

    Raises:
        RunFolderError: A control or a partial run.
        ProtocolMismatch: A protocol field, or the grading, differs.
    """
    for run in (base, candidate):
        if run.control is not None:
            raise RunFolderError(
                f"{run.folder}: control is {run.control!r}; a control is a diagnostic and never compared"
            )
        if run.settings["partial"] and not is_partial_allowed:
            raise RunFolderError(
                f"{run.folder}: partial is true ({run.cut_by}); finish it with "
                "its own command, without --limit"
            )
        if len(run.gradings) > 1:
            raise ProtocolMismatch(
                f"{run.folder}: its verdicts were graded in {len(run.gradings)} ways; make them "
                f"one with: vigos-eval grade {run.folder}"
            )
    for field, (there, here) in differing_fields(base.protocol, candidate.protocol).items():
        raise ProtocolMismatch(
            f"protocol.{field} is {_short(there)} in {base.folder} and {_short(here)} in "
            f"{candidate.folder}; run both under the same protocol"
        )
    if base.gradings != candidate.gradings:
        raise ProtocolMismatch(
            f"grading is {_short(''.join(base.gradings))} in {base.folder} and "
            f"{_short(''.join(candidate.gradings))} in {candidate.folder}; grade both alike with: "
            f"vigos-eval grade {base.folder}; vigos-eval grade {candidate.folder}"
        )


def _labels(base: ScoredRun, candidate: ScoredRun, tasks: Sequence[str] | None) -> list[str]:
    ours, theirs = base.scores.tasks.keys(), candidate.scores.tasks.keys()
    if tasks is None:
        if odd := sorted(ours ^ theirs):
            where = base.folder if odd[0] in ours else candidate.folder
            raise UnpairedRunsError(
                f"tasks: {odd[0]} is only in {where}; compare what both have with "
                f"--tasks {','.join(sorted(ours & theirs)) or '(nothing: no task in common)'}"
            )
        wanted = list(ours)
    else:
        if not tasks:
            raise ConfigError(f"--tasks names none; the runs have {', '.join(sorted(ours))}")
        wanted = [label for task in tasks for label in GROUPS.get(task, (task,))]
        for label in wanted:
            for run, labels in ((base, ours), (candidate, theirs)):
                if label not in labels:
                    raise ConfigError(
                        f"--tasks {label!r} is not in {run.folder}; it has {', '.join(sorted(labels))}"
                    )
    if not wanted:
        raise RunFolderError(f"{base.folder} and {candidate.folder} hold no question")
    return sorted(set(wanted), key=lambda label: (is_vilp(label), task_order(label)))


def _refuse_other_questions(label: str, base: ScoredRun, candidate: ScoredRun) -> None:
    ours = {mark.key: mark for mark in _marks(base, label)}
    theirs = {mark.key: mark for mark in _marks(candidate, label)}
    if odd := sorted(ours.keys() ^ theirs.keys()):
        raise UnpairedRunsError(
            f"{label}: {len(odd)} questions are in one run only, e.g. {', '.join(odd[:3])}; run both "
            "checkpoints on the same data revision"
        )
    changed = [
        key
        for key, mark in sorted(ours.items())
        if (mark.prompt_hash, mark.gold) != (theirs[key].prompt_hash, theirs[key].gold)
    ]
    if changed:
        raise UnpairedRunsError(
            f"{label}: {len(changed)} questions have another text, image or gold in the two runs, "
            f"e.g. {', '.join(changed[:3])}; run both checkpoints on the same data revision"
        )
    k, other = base.scores.tasks[label].k, candidate.scores.tasks[label].k
    if k != other and k and other:
        raise ProtocolMismatch(
            f"k is {k} in {base.folder} and {other} in {candidate.folder} for {label}; "
            "sample both as often"
        )


def _marks(run: ScoredRun, label: str) -> list[Mark]:
    return [mark for mark in run.marks if mark.label == label]


def _belongs(mark: Mark, suffix: str) -> bool:
    is_prior = mark.subgroups.get(POSITION) == PRIOR_POSITION
    return not suffix or is_prior == (suffix == " prior")


def _cluster_codes(run: ScoredRun) -> dict[str, int]:
    """Code of each question's cluster; ViLP's two tasks ask about the same rows, so they share."""
    names = [f"{'vilp' if is_vilp(m.label) else m.label}/{m.cluster}" for m in run.marks]
    return dict(zip((m.key for m in run.marks), cluster_codes(names).tolist(), strict=True))


def _paired(
    name: str, pairs: Sequence[tuple[Mark, Mark]], metric: Metric, codes: dict[str, int]
) -> PairedTask:
    graded = [(a, b) for a, b in pairs if not (a.ungraded or b.ungraded)]
    if not pairs:
        raise RunFolderError(f"{name} holds no question that both runs were asked")
    k = pairs[0][0].attempts
    value = _any_correct if is_vilp(name) else _value(name, metric, k)
    label = graded[0][0].label if graded else name
    combined = question_weights(label, [a for a, _ in graded]) if graded else None
    if combined == ([], []):
        raise RunFolderError(
            f"{name} lacks a part of its official mean (ADE20K, COCO and 3D rows are needed)"
        )
    is_avg = metric.kind == "avg" or (is_vilp(name) and k == 1)
    return PairedTask(
        name=name,
        base=np.array([value(a) for a, _ in graded]),
        candidate=np.array([value(b) for _, b in graded]),
        clusters=np.array([codes[a.key] for a, _ in graded], dtype=np.int64),
        weights=None if combined is None else np.array(combined[0]),
        strata=None if combined is None else tuple(combined[1]),
        noise=np.array([_noise(a) + _noise(b) for a, b in graded]) if is_avg and k > 1 else None,
        k=k,
        ungraded=len(pairs) - len(graded),
        asked=len(pairs),
    )


def _any_correct(mark: Mark) -> float:
    return float(mark.correct > 0)


def _value(name: str, metric: Metric, k: int) -> Callable[[Mark], float]:
    j = metric.j or k
    if j > k or (metric.kind == "avg" and j != k):
        raise ConfigError(
            f"--metric {metric.name} needs {j} responses per question; {name} has k={k}: use avg@{k} "
            f"or pass@J with J <= {k}"
        )
    if metric.kind == "avg":
        return lambda mark: mark.correct / mark.attempts
    table = [pass_at_k(k, correct, j) for correct in range(k + 1)]
    return lambda mark: table[mark.correct]


def _noise(mark: Mark) -> float:
    """Unbiased variance of a question's mean over its attempts: p(1-p)/(k-1)."""
    share = mark.correct / mark.attempts
    return share * (1 - share) / (mark.attempts - 1)


def pooled(tasks: Sequence[PairedTask]) -> PairedTask:
    """All questions of all tasks as one task, each question weighing the same.

    Where a task's noise is unknown (ViLP's single response) it counts as none: more attempts
    then help only the other tasks, as they would.
    """
    is_any_known = any(task.noise is not None for task in tasks)
    noise = [task.noise if task.noise is not None else np.zeros(task.base.size) for task in tasks]
    return PairedTask(
        name="pooled",
        base=np.concatenate([task.base for task in tasks]),
        candidate=np.concatenate([task.candidate for task in tasks]),
        clusters=np.concatenate([task.clusters for task in tasks]),
        noise=np.concatenate(noise) if is_any_known else None,
        is_noise_whole=all(task.noise is not None for task in tasks),
        k=max(task.k for task in tasks),
        ungraded=sum(task.ungraded for task in tasks),
        asked=sum(task.asked for task in tasks),
    )


def swapped(task: PairedTask) -> PairedTask:
    """The same task with the two runs exchanged."""
    return replace(task, base=task.candidate, candidate=task.base)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]} .. {text[-16:]}"
