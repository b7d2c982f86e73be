"""A run's scores as tables: benchmarks with the mean of eight, Pass@j, ViLP, subgroups, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vigos_eval.metrics import EIGHT
from vigos_eval.report.sections import NOTHING, WITHHELD, Section, Table, number, percent, points
from vigos_eval.scored_run import ScoredRun
from vigos_eval.scores import TaskScore
from vigos_eval.types import Score

RUNS_SIDE_BY_SIDE = 3
"""Runs per side-by-side table: more do not fit into 100 columns."""

SUFFIXES = ("", "_official")


def is_vilp(label: str) -> bool:
    """ViLP has a table of its own: its Score and Prior are no Pass@k.

    >>> is_vilp("vilp_f_official"), is_vilp("mmmu")
    (True, False)
    """
    return label.startswith("vilp")


def task_order(label: str) -> tuple[bool, bool, int, str]:
    """Sorting key: the paper's order, its data before the official data, others at the end.

    >>> sorted(["zebra", "mmmu_official", "cv_bench", "mmmu"], key=task_order)
    ['mmmu', 'cv_bench', 'mmmu_official', 'zebra']
    """
    plain = label.removesuffix("_official")
    known = EIGHT.index(plain) if plain in EIGHT else len(EIGHT)
    return known == len(EIGHT), label.endswith("_official"), known, label


def shown_tasks(run: ScoredRun) -> list[TaskScore]:
    """The tasks of the main table, in order."""
    found = [task for task in run.scores.tasks.values() if not is_vilp(task.label)]
    return sorted(found, key=lambda task: task_order(task.label))


def score_cell(task: TaskScore, score: Score, allow_ungraded: bool) -> str:
    """The score, or that it is withheld."""
    return WITHHELD if task.is_withheld and not allow_ungraded else points(score)


def mean_of(run: ScoredRun, metric: str, suffix: str, allow_ungraded: bool) -> str | None:
    """The cell of a mean of eight; None when there is none.

    A mean over a withheld score is withheld too.
    """
    mean = run.scores.means.get(metric + suffix)
    if mean is None:
        return None
    eight = [run.scores.tasks[name + suffix] for name in EIGHT]
    if not allow_ungraded and any(task.is_withheld for task in eight):
        return WITHHELD
    return points(mean)


def score_section(run: ScoredRun, allow_ungraded: bool) -> Section:
    """The main table: one row per benchmark, ViLP without its scores, then the mean of eight."""
    tasks = shown_tasks(run)
    ks = sorted({task.k for task in tasks if task.k})
    name = str(ks[0]) if len(ks) == 1 else "k"
    rows = [_score_row(run, task, allow_ungraded, len(ks) > 1) for task in tasks]
    vilp = [task for task in run.scores.tasks.values() if is_vilp(task.label)]
    for row in (_score_row(run, task, allow_ungraded, name_k=False) for task in vilp):
        rows.append((*row[:2], NOTHING, NOTHING, *row[4:]))
    empty = [label for label in run.notes if label not in run.scores.tasks and not is_vilp(label)]
    rows += [(f"{label} *", "0", *[NOTHING] * 7) for label in sorted(empty, key=task_order)]
    rule = len(rows)
    for suffix in SUFFIXES:
        best = mean_of(run, f"pass@{name}", suffix, allow_ungraded)
        avg = mean_of(run, f"avg@{name}", suffix, allow_ungraded)
        if best is not None and avg is not None:
            title = f"mean of eight{suffix.replace('_', ' ')}"
            rows.append((title, "", best, avg, *[""] * 5))
    columns = (
        "benchmark",
        "n",
        f"Pass@{name}",
        f"Avg@{name}",
        "ungraded",
        "unparsed",
        "truncated",
        "format",
        "tokens",
    )
    table = Table(columns, tuple(rows), rule if len(rows) > rule else None)
    return Section("Scores", table=table if rows else None, notes=tuple(_score_notes(run, tasks)))


def _score_row(
    run: ScoredRun, task: TaskScore, allow_ungraded: bool, name_k: bool
) -> tuple[str, ...]:
    star = " *" if task.label in run.notes or task.skipped else ""
    k = f" (k={task.k})" if name_k else ""
    best = score_cell(task, task.passes[-1], allow_ungraded) if task.passes else NOTHING
    return (
        f"{task.label}{k}{star}",
        str(task.n),
        best,
        score_cell(task, task.avg, allow_ungraded),
        str(task.ungraded),
        percent(task.unparsed),
        percent(task.truncated),
        percent(task.format_valid),
        number(task.mean_tokens, 0),
    )


def _score_notes(run: ScoredRun, tasks: Sequence[TaskScore]) -> Iterator[str]:
    yield (
        "Percent ± standard error (points, clustered; Wilson's where all came out alike). ungraded: questions, left out of every "
        "mean. unparsed, truncated, format: % of responses without an answer, cut off at the "
        "token limit, with all three segments. tokens: per response."
        + (" ViLP's scores stand in its own table." if any(map(is_vilp, run.scores.tasks)) else "")
    )
    for label in sorted(run.notes, key=task_order):
        yield f"* {label}: {run.notes[label]}"
    for task in run.scores.tasks.values():
        if task.skipped:
            yield f"* {task.label}: {task.skipped} of {task.n} rows were not answered (unreadable, or refused by the engine)"
    withheld = [task.label for task in run.scores.tasks.values() if task.is_withheld]
    if withheld:
        yield (
            f"More than 1 % of the questions are ungraded in {', '.join(withheld)}: no score is "
            f"printed. Grade what is missing (vigos-eval grade {run.folder} "
            "--judge-model NAME --judge-base-url URL), or print the scores of the rest with "
            "--allow-ungraded."
        )
    if any(name.endswith("_official") for name in run.scores.tasks) and any(
        task.label == "cv_bench_official" for task in tasks
    ):
        yield "cv_bench_official: (2D + 3D)/2 with 2D = (ADE20K + COCO)/2, as its authors report it."


def passes_section(run: ScoredRun, allow_ungraded: bool) -> Section:
    """Pass@j for every j <= k."""
    tasks = [task for task in shown_tasks(run) if task.passes]
    most = max((task.k for task in tasks), default=0)
    rows = [
        (
            task.label,
            *[score_cell(task, score, allow_ungraded) for score in task.passes],
            *[NOTHING] * (most - task.k),
        )
        for task in tasks
    ]
    rule = len(rows)
    for suffix in SUFFIXES:
        cells = [mean_of(run, f"pass@{j}", suffix, allow_ungraded) for j in range(1, most + 1)]
        if any(cells):
            title = f"mean of eight{suffix.replace('_', ' ')}"
            rows.append((title, *[cell or NOTHING for cell in cells]))
    columns = ("benchmark", *[f"Pass@{j}" for j in range(1, most + 1)])
    table = Table(columns, tuple(rows), rule if len(rows) > rule else None)
    return Section("Pass@j", table=table if rows else None)


def vilp_section(run: ScoredRun, allow_ungraded: bool) -> Section | None:
    """Score, Prior and per-position accuracy, by our word rule and by the official rule."""
    tasks = [task for task in run.scores.tasks.values() if is_vilp(task.label)]
    parts = ("score", "prior", "image1", "image2", "image3")
    rows = [
        (
            task.label + (" *" if task.label in run.notes else ""),
            rule,
            str(task.n),
            *[score_cell(task, scores[part], allow_ungraded) for part in parts],
        )
        for task in tasks
        for rule, scores in task.vilp.items()
    ]
    if not rows:
        return None
    columns = ("ViLP", "rule", "n", "Score", "Prior", "image 1", "image 2", "image 3")
    several = sorted({task.k for task in tasks if task.k > 1})
    notes = [
        "Score: images 2 and 3, which contradict the prior; Prior: image 1, which agrees with it. "
        "word is our rule, vilp_rule the official comparison."
    ]
    if several:
        notes.append(f"{several[0]} responses per prompt: any correct one counts.")
    return Section("ViLP", table=Table(columns, tuple(rows), left=2), notes=tuple(notes))


def subgroup_sections(run: ScoredRun, allow_ungraded: bool) -> Iterator[Section]:
    """One table per task and group name."""
    for task in shown_tasks(run):
        for name, groups in task.subgroups.items():
            rows = tuple(
                (
                    group,
                    str(score.n),
                    score_cell(task, score.best, allow_ungraded),
                    score_cell(task, score.avg, allow_ungraded),
                    str(score.best.ungraded),
                )
                for group, score in groups.items()
            )
            columns = (name, "n", f"Pass@{task.k}", f"Avg@{task.k}", "ungraded")
            yield Section(f"{task.label} by {name}", table=Table(columns, rows))


def side_by_side_sections(runs: Sequence[ScoredRun], allow_ungraded: bool) -> Iterator[Section]:
    """Benchmarks down, runs across, Pass@k and Avg@k each."""
    labels = sorted({task.label for run in runs for task in shown_tasks(run)}, key=task_order)
    for start in range(0, len(runs), RUNS_SIDE_BY_SIDE):
        some = runs[start : start + RUNS_SIDE_BY_SIDE]
        columns = ["benchmark"]
        for i, _ in enumerate(some, start + 1):
            columns += [f"[{i}] Pass@k", f"[{i}] Avg@k"]
        rows = [
            (label, *[cell for run in some for cell in _pair(run, label, allow_ungraded)])
            for label in labels
        ]
        rule = len(rows)
        means = [cell for run in some for cell in _mean_pair(run, allow_ungraded)]
        if any(cell != NOTHING for cell in means):
            rows.append(("mean of eight", *means))
        names = tuple(f"[{i}] {run.name}" for i, run in enumerate(some, start + 1))
        table = Table(tuple(columns), tuple(rows), rule if len(rows) > rule else None)
        yield Section("Side by side", lines=names, table=table)


def _pair(run: ScoredRun, label: str, allow_ungraded: bool) -> tuple[str, str]:
    task = run.scores.tasks.get(label)
    if task is None or not task.passes:
        return NOTHING, NOTHING
    return (
        score_cell(task, task.passes[-1], allow_ungraded),
        score_cell(task, task.avg, allow_ungraded),
    )


def _mean_pair(run: ScoredRun, allow_ungraded: bool) -> tuple[str, str]:
    k = max((task.k for task in shown_tasks(run)), default=0)
    return (
        mean_of(run, f"pass@{k}", "", allow_ungraded) or NOTHING,
        mean_of(run, f"avg@{k}", "", allow_ungraded) or NOTHING,
    )
