"""Shortcut diagnostics: what survives without the image, and ViLP's prior flips. Never a score."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vigos_eval.errors import UnpairedRunsError
from vigos_eval.grading import grade
from vigos_eval.marks import POSITION, PRIOR_POSITION, SCORE_POSITIONS, Mark
from vigos_eval.report.score_tables import task_order
from vigos_eval.report.sections import Section, Table, number, percent, points_of, signed
from vigos_eval.scored_run import PositionedAnswers, ScoredRun
from vigos_eval.stats import Estimate, clustered_mean, share_stderr
from vigos_eval.types import Outcome, Sample


@dataclass(frozen=True)
class Survival:
    """How much of a task's Avg@k is left under a control, over the same questions.

    Attributes:
        label: Task.
        n: Questions graded in both runs.
        normal: Avg@k with the image, fraction.
        control: Avg@k under the control.
        lost: normal - control, paired.
        surviving: control / normal, with its error (delta method, clustered).
    """

    label: str
    n: int
    normal: float
    control: float
    lost: Estimate
    surviving: Estimate


def normal_run_of(control: ScoredRun, runs: Sequence[ScoredRun]) -> ScoredRun | None:
    """The run of the same model and protocol without the control, or None."""

    def identity(run: ScoredRun) -> object:
        # What generates: who judges afterwards makes no other run.
        fields = dict(run.settings.get("fingerprint_fields") or {"protocol": run.protocol})
        fields.pop("control", None)
        return fields, run.settings["model"]

    wanted = identity(control)
    return next((r for r in runs if r.control is None and identity(r) == wanted), None)


def survivals(
    normal: ScoredRun, control: ScoredRun, allow_ungraded: bool = False
) -> list[Survival]:
    """Per task, what survives of the score under the control; withheld tasks are left out.

    Raises:
        UnpairedRunsError: The two hold different questions of a task.
    """
    return [
        _survival(label, _marks(normal, label), _marks(control, label))
        for label in sorted(
            normal.scores.tasks.keys() & control.scores.tasks.keys(), key=task_order
        )
        if allow_ungraded or not (_is_withheld(normal, label) or _is_withheld(control, label))
    ]


def _is_withheld(run: ScoredRun, label: str) -> bool:
    task = run.scores.tasks.get(label)
    return task is not None and task.is_withheld


def _marks(run: ScoredRun, label: str) -> dict[str, Mark]:
    return {mark.key: mark for mark in run.marks if mark.label == label}


def _survival(label: str, normal: dict[str, Mark], control: dict[str, Mark]) -> Survival:
    # A control's key may carry its own prompt's hash; the row is what pairs.
    if odd := sorted(normal.keys() ^ control.keys()):
        raise UnpairedRunsError(
            f"{label}: {len(odd)} questions are in the run or in its control only, e.g. "
            f"{', '.join(odd[:3])}; make the control with the run's own command and --control"
        )
    keys = [k for k in sorted(normal) if _is_graded(normal[k]) and _is_graded(control[k])]
    with_image = np.array([normal[k].correct / normal[k].attempts for k in keys])
    without = np.array([control[k].correct / control[k].attempts for k in keys])
    clusters = [normal[k].cluster for k in keys]
    base, left = clustered_mean(with_image, clusters), clustered_mean(without, clusters)
    lost = clustered_mean(with_image - without, clusters)
    if base.stderr == left.stderr == 0:  # no spread to pair: the two shares' own errors
        lost = replace(lost, stderr=math.hypot(share_stderr(base), share_stderr(left)))
    if base.value > 0:
        ratio = left.value / base.value
        change = (without - ratio * with_image) / base.value
        error = clustered_mean(change, clusters).stderr
        if error == left.stderr == 0:
            error = share_stderr(left) / base.value
    else:
        ratio = error = math.nan
    surviving = Estimate(ratio, error, len(keys), len(set(clusters)))
    return Survival(label, len(keys), base.value, left.value, lost, surviving)


def _is_graded(mark: Mark) -> bool:
    return mark.attempts > 0 and not mark.ungraded


def _mean_share(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    found = clustered_mean(values, clusters)
    return replace(found, stderr=share_stderr(found))


def survival_section(normal: ScoredRun, control: ScoredRun, allow_ungraded: bool) -> Section:
    """The table of one control beside its run."""
    rows = tuple(
        (
            s.label,
            str(s.n),
            percent(s.normal),
            percent(s.control),
            f"{signed(-100 * s.lost.value)} ±{number(100 * s.lost.stderr)}",
            points_of(s.surviving),
        )
        for s in survivals(normal, control, allow_ungraded)
    )
    shared = normal.scores.tasks.keys() & control.scores.tasks.keys()
    withheld = sorted(shared - {row[0] for row in rows}, key=task_order)
    columns = ("benchmark", "n", "Avg@k with image", control.control or "", "change", "survives %")
    return Section(
        f"Without the image: {normal.name}, control {control.control}",
        table=Table(columns, rows),
        notes=(
            "survives: share of the score that is left when the image is "
            + (
                "a grey one of the same size"
                if control.control == "blind"
                else "another question's"
            )
            + ". Guessing among options survives too: compare with one over the number of options.",
            *_withheld_note(withheld),
        ),
    )


def _withheld_note(labels: Sequence[str]) -> tuple[str, ...]:
    return (f"Withheld, more than 1 % ungraded: {', '.join(labels)}.",) if labels else ()


@dataclass(frozen=True)
class Flips:
    """What a model says where the image contradicts the prior (ViLP images 2 and 3).

    Attributes:
        label: ``vilp_f``, ...
        n: Questions.
        shares: ``correct``, ``prior``, ``other``, ``none`` (no answer), ``ungraded``: means over
            questions of the share of attempts, clustered by the row.
        prior_when_known: ``prior`` over the rows whose image 1 was answered right.
    """

    label: str
    n: int
    shares: dict[str, Estimate]
    prior_when_known: Estimate


SAYINGS = ("correct", "prior", "other", "none", "ungraded")


def prior_flips(run: ScoredRun, allow_ungraded: bool = False) -> Iterator[Flips]:
    """Per ViLP task that is not withheld, how often the prior is said against the image."""
    for label in sorted({asked.label for asked in run.positioned}):
        if _is_withheld(run, label) and not allow_ungraded:
            continue
        here = [asked for asked in run.positioned if asked.label == label]
        first = {
            asked.sample.cluster: asked
            for asked in here
            if asked.sample.subgroups[POSITION] == PRIOR_POSITION
        }
        contradicted = [
            asked
            for asked in here
            if asked.sample.subgroups[POSITION] in SCORE_POSITIONS and asked.sample.cluster in first
        ]
        if contradicted:
            yield _flips(label, contradicted, first)


def _flips(
    label: str, contradicted: Sequence[PositionedAnswers], first: dict[str, PositionedAnswers]
) -> Flips:
    is_prior = _prior_matcher()
    said = [
        [
            saying(answer, outcome, first[asked.sample.cluster].sample, is_prior)
            for answer, outcome in asked.answers
        ]
        for asked in contradicted
    ]
    clusters = [asked.sample.cluster for asked in contradicted]
    shares = {what: _mean_share([_share(one, what) for one in said], clusters) for what in SAYINGS}
    known = [
        i
        for i, cluster in enumerate(clusters)
        if any(outcome is Outcome.CORRECT for _, outcome in first[cluster].answers)
    ]
    prior_when_known = _mean_share(
        [_share(said[i], "prior") for i in known], [clusters[i] for i in known]
    )
    return Flips(label, len(contradicted), shares, prior_when_known)


def _share(said: Sequence[str], what: str) -> float:
    return said.count(what) / len(said)


def saying(
    answer: str | None,
    outcome: Outcome,
    first: Sample,
    is_prior: Callable[[str, Sample], bool],
) -> str:
    """One of SAYINGS for an attempt at image 2 or 3; `first` is the row's image 1, whose gold is the prior."""
    if outcome is Outcome.CORRECT:
        return "correct"
    if answer is None:
        return "none"
    if is_prior(answer, first):
        return "prior"
    return "ungraded" if outcome is Outcome.UNGRADED else "other"


def _prior_matcher() -> Callable[[str, Sample], bool]:
    """Is an answer the prior? Graded like any answer to image 1, each pair once."""
    known: dict[tuple[str, str], bool] = {}

    def is_prior(answer: str, first: Sample) -> bool:
        pair = (answer, first.gold)
        if pair not in known:
            asked = replace(first, images=())
            known[pair] = grade(answer, asked).outcome is Outcome.CORRECT
        return known[pair]

    return is_prior


def flip_section(runs: Sequence[ScoredRun], allow_ungraded: bool) -> Section | None:
    """The prior-flip table over runs and controls."""
    found = [(run, flips) for run in runs for flips in prior_flips(run, allow_ungraded)]
    is_open = any(flips.shares["ungraded"].value > 0 for _, flips in found)
    said = ("correct", "prior", "other", "none", *(["ungraded"] if is_open else []))
    rows = [
        (
            run.name if run.control is None else f"{run.name} ({run.control})",
            flips.label,
            str(flips.n),
            *[points_of(flips.shares[what]) for what in said],
            points_of(flips.prior_when_known),
        )
        for run, flips in found
    ]
    if not rows:
        return None
    columns = ("run", "ViLP", "n", "right", *said[1:], "prior, known")
    return Section(
        "ViLP prior flips",
        table=Table(columns, tuple(rows), left=2),
        notes=(
            "Images 2 and 3 contradict the prior. prior: % of answers that say it all the same "
            "(the answer to image 1). known: over the rows whose image 1 was answered right.",
        ),
    )
