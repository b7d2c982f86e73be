"""What of a run differs from the paper's protocol, and what would have to be the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from vigos_eval.protocol import load_protocol
from vigos_eval.report.published import figures
from vigos_eval.report.sections import Section, Table
from vigos_eval.scored_run import ScoredRun

State = Literal["same", "differs", "not published"]

PROTOCOL_FIELDS = (
    "prompt",
    "prefill",
    "system",
    "extraction",
    "temperature",
    "top_p",
    "top_k",
    "max_new_tokens",
    "seed",
    "repeats",
    "vilp_repeats",
)
UNPUBLISHED_FIELDS = ("min_pixels", "max_pixels", "chat_template")
CELL = 32
"""Longest text of a cell; a prompt does not fit into a table."""


@dataclass(frozen=True)
class Condition:
    """One thing that moves a score: what the paper had, what this run had."""

    what: str
    paper: str
    here: str
    state: State


def conditions(run: ScoredRun, model: str) -> list[Condition]:
    """Everything that must be the same before a run is a reproduction, with its state."""
    return [*_protocol(run), _judge(run), *_tasks(run), _checkpoint(run, model)]


def _state(paper: object, here: object) -> State:
    return "same" if paper == here else "differs"


def _protocol(run: ScoredRun) -> Iterator[Condition]:
    paper = asdict(load_protocol("paper"))
    for name in PROTOCOL_FIELDS:
        here = run.protocol.get(name)
        state = _state(paper[name], here)
        yield Condition(name, _short(paper[name]), _short(here), state)
    for name in UNPUBLISHED_FIELDS:
        here = run.protocol.get(name)
        shown = "the checkpoint's" if here is None else _short(here)
        yield Condition(name, "?", shown, "not published")


def _judge(run: ScoredRun) -> Condition:
    judge = run.protocol.get("judge") or {}
    mode, name = judge.get("mode", "rules"), judge.get("model", "")
    expected = figures()["judge"]
    here = mode if mode == "rules" else f"{mode}: {name}"
    is_same = mode == "llm" and str(name).endswith(expected)
    return Condition("judge", f"llm: {expected}", here, "same" if is_same else "differs")


def _tasks(run: ScoredRun) -> Iterator[Condition]:
    for label, task in run.scores.tasks.items():
        facts = run.tasks.get(label, {})
        plain = label.removesuffix("_official")
        if plain not in figures()["datasets"]:
            continue
        dataset = figures()["datasets"][plain]
        # A folder that stands in for the hub ends in the data set's id.
        is_same = str(facts.get("dataset", "")).endswith(dataset) and plain == label
        shown = str(facts.get("dataset", "?"))
        yield Condition(f"{label}: data", dataset, shown, "same" if is_same else "differs")
        revision = facts.get("revision") or "not pinned"
        yield Condition(f"{label}: revision", "?", str(revision)[:12], "not published")
        if "vilp" in plain:
            rows = figures()["questions"]["vilp_score"] + figures()["questions"]["vilp_prior"]
        else:
            rows = figures()["questions"][plain]
        yield Condition(f"{label}: rows", str(rows), str(task.graded), _state(rows, task.graded))


def _checkpoint(run: ScoredRun, model: str) -> Condition:
    pretrained = str(run.settings["model"].get("pretrained", "?"))
    last = pretrained.rstrip("/").rsplit("/", 1)[-1]
    return Condition("checkpoint", model, pretrained, _state(model.lower(), last.lower()))


def _short(value: object) -> str:
    """A value on one line, cut in the middle, so that two prompts that differ at the end do too.

    >>> _short(None), _short(""), _short("a" * 40) == "a" * 14 + " .. " + "a" * 14
    ('none', '""', True)
    """
    if value is None:
        return "none"
    text = " ".join(str(value).split()) or '""'
    half = (CELL - 4) // 2
    return text if len(text) <= CELL else f"{text[:half]} .. {text[-half:]}"


def reproduction_section(run: ScoredRun, model: str) -> Section:
    """What differs, what nobody published, and what would make it a reproduction."""
    found = conditions(run, model)
    rows = tuple((c.what, _short(c.paper), _short(c.here)) for c in found if c.state == "differs")
    unknown = sorted({c.what.split(": ")[-1] for c in found if c.state == "not published"})
    same = sum(c.state == "same" for c in found)
    notes = []
    if rows:
        notes.append(
            "Before this is called a reproduction, every row above has to be the same "
            f"({same} other conditions are)."
        )
    else:
        notes.append(f"All {same} conditions that are published are the same.")
    notes.append(
        f"Not published, so nobody can check: {', '.join(unknown)}, and the engine's numerics "
        f"(here: {run.settings.get('engine', '?')}; the same seed gives other texts on another engine)."
    )
    table = Table(("condition", "paper", "this run"), rows, left=3) if rows else None
    return Section("What differs from the paper's protocol", table=table, notes=tuple(notes))
