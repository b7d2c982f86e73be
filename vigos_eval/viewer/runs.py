"""What a run folder holds for the page, a half-written folder included, with notices on what lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigos_eval.errors import RunFolderError
from vigos_eval.records import (
    CompletionRecord,
    VerdictRecord,
    read_completions,
    read_run_settings,
    read_verdicts,
)


@dataclass(frozen=True)
class RunFacts:
    """What the page's head says about a run; "" where run.json does not say.

    Attributes:
        name: The run's name, else its folder's.
        model: Where the weights came from.
        protocol: Name of the protocol.
        engine: Engine that generated.
        fingerprint: Generation fingerprint.
        control: ``blind``, ``shuffled`` or "".
        limited: True when only a part of the questions was to be asked (``--limit``).
        planned: Questions each task was to have, by label.
    """

    name: str
    model: str
    protocol: str
    engine: str
    fingerprint: str
    control: str
    limited: bool
    planned: Mapping[str, int]


@dataclass(frozen=True)
class ViewedRun:
    """A run folder as far as it can be read; `notices` say what is missing, for people."""

    folder: Path
    facts: RunFacts
    completions: Mapping[str, CompletionRecord]
    verdicts: Mapping[str, VerdictRecord]
    notices: tuple[str, ...]


def read_viewed_run(folder: Path) -> ViewedRun:
    """The run, with notices in place of errors wherever something can still be shown.

    Raises:
        RunFolderError: Nothing was generated yet, or a line of completions is damaged.
    """
    completions = read_completions(folder)
    if not completions:
        raise RunFolderError(f"{folder}: completions.jsonl is empty; nothing was generated yet")
    notices: list[str] = []
    settings: Mapping[str, Any] = {}
    verdicts: Mapping[str, VerdictRecord] = {}
    try:
        settings = read_run_settings(folder)
    except RunFolderError as error:
        notices.append(f"Settings unknown: {error}")
    facts = run_facts(settings, folder.resolve().name)
    try:
        verdicts = read_verdicts(folder)
    except RunFolderError as error:
        notices.append(f"Not graded: {error}")
    else:
        notices += _grading_notices(completions, verdicts, folder)
    notices += _shortfalls(completions, facts.planned)
    if facts.control:
        notices.append(f"Control run ({facts.control} images): its figures are no score.")
    if facts.limited:
        notices.append("Partial run: only a part of the questions was to be asked (--limit).")
    return ViewedRun(folder, facts, completions, verdicts, tuple(notices))


def run_facts(settings: Mapping[str, Any], folder_name: str) -> RunFacts:
    """The facts that run.json holds; a missing or misshapen value becomes "".

    >>> facts = run_facts({"protocol": {"name": "paper"}, "control": None}, "my-run")
    >>> facts.name, facts.protocol, facts.control
    ('my-run', 'paper', '')
    """

    def text(container: object, key: str) -> str:
        value = container.get(key) if isinstance(container, Mapping) else None
        return str(value) if isinstance(value, str | int | float) else ""

    root = settings if isinstance(settings, Mapping) else {}
    tasks = root.get("tasks")
    planned = {
        str(label): task["questions"]
        for label, task in (tasks.items() if isinstance(tasks, Mapping) else ())
        if isinstance(task, Mapping) and isinstance(task.get("questions"), int)
    }
    return RunFacts(
        name=text(root, "name") or folder_name,
        model=text(root.get("model"), "pretrained"),
        protocol=text(root.get("protocol"), "name"),
        engine=text(root, "engine"),
        fingerprint=text(root, "fingerprint"),
        control=text(root, "control"),
        limited=root.get("partial") is True,
        planned=planned,
    )


def pairing_notices(run: ViewedRun, base: ViewedRun) -> tuple[str, ...]:
    """What keeps the two runs from being compared question by question, for people."""
    notices: list[str] = []
    for key, ours, theirs in (
        ("protocol", run.facts.protocol, base.facts.protocol),
        ("control", run.facts.control, base.facts.control),
    ):
        if ours != theirs:
            notices.append(
                f"The runs differ in {key}: {ours or 'none'} here, {theirs or 'none'} in the base."
            )
    for missing, where in (
        (sorted(run.completions.keys() - base.completions.keys()), "this run"),
        (sorted(base.completions.keys() - run.completions.keys()), "the base"),
    ):
        if missing:
            named = ", ".join(missing[:3])
            notices.append(f"Only in {where}: {counted(missing)}, e.g. {named}.")
    otherwise = [
        key
        for key in run.completions.keys() & base.completions.keys()
        if run.completions[key].sample.question != base.completions[key].sample.question
    ]
    if otherwise:
        named = ", ".join(sorted(otherwise)[:3])
        notices.append(f"With another text in the base: {counted(otherwise)}, e.g. {named}.")
    return (*notices, *(f"Base: {notice}" for notice in base.notices))


def counted(questions: Sequence[object]) -> str:
    """How many questions, in words.

    >>> counted(["a"]), counted(range(1200))
    ('1 question', '1,200 questions')
    """
    return f"{len(questions):,} question{'' if len(questions) == 1 else 's'}"


def _grading_notices(
    completions: Mapping[str, CompletionRecord],
    verdicts: Mapping[str, VerdictRecord],
    folder: Path,
) -> list[str]:
    ungraded = [key for key, r in completions.items() if r.responses and key not in verdicts]
    stale = [
        key
        for key, record in completions.items()
        if key in verdicts and len(verdicts[key].attempts) != len(record.responses)
    ]
    again = f"run: vigos-eval grade {folder}"
    found: list[str] = []
    if ungraded:
        found.append(f"Without a verdict: {counted(ungraded)}, e.g. {ungraded[0]}; {again}")
    if stale:
        found.append(
            f"With another number of verdicts than of responses: {counted(stale)}, "
            f"e.g. {stale[0]}; {again}"
        )
    return found


def _shortfalls(
    completions: Mapping[str, CompletionRecord], planned: Mapping[str, int]
) -> list[str]:
    found = Counter(record.label for record in completions.values())
    return [
        f"Half-written run: {found[label]:,} of {count:,} {label} questions so far."
        for label, count in sorted(planned.items())
        if found[label] < count
    ]
