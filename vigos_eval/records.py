"""The run folder's records: what a line of each file holds, and reading them back.

    run.json            settings, generation fingerprint, versions (settings.py of a run)
    completions.jsonl   one line per prompt with all its samples, append-only, the only file that
                        costs a GPU; ``completions.rank<i>.jsonl`` under several ranks
    verdicts.jsonl      one line per prompt: every attempt's answer and verdict
    scores.json         metrics.py's scores
    images/             ``<sha256>.<ext>``: the images as they were stored, for the viewer
    report.md, view.html

Each file can be rebuilt from those left of it. Writing completions is journal.py's subject.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vigos_eval.errors import RunFolderError
from vigos_eval.types import AnswerKind, FinishReason, Outcome, Sample, Source

SCHEMA = 1


@dataclass(frozen=True)
class ImageRef:
    """An image of a question: ``images/<sha256><suffix>`` in the run folder when it was kept."""

    sha256: str
    suffix: str


@dataclass(frozen=True)
class Response:
    """One sampled response.

    Attributes:
        text: Prefill + completion.
        tokens: Sampled tokens, end token included, prefill not.
        finish_reason: ``length`` means cut off at the token limit.
        seed: The seed it was sampled with.
    """

    text: str
    tokens: int
    finish_reason: FinishReason
    seed: int


@dataclass(frozen=True)
class CompletionRecord:
    """One line of completions.jsonl: a question and all its sampled responses.

    Attributes:
        key: ``<label>:<sample id>``, unique in the run; see `label`.
        prompt_hash: Identity of messages, prefill, image hashes and decoding.
        sample: The question without its image bytes (`Sample.images` is empty).
        images: What was asked with it.
        prompt_tokens: Length of the prompt in tokens; 0 when the engine cannot tell.
        responses: In sample order. Empty for a skipped row.
        skipped: Why the row was never asked (unreadable image), or None.
    """

    key: str
    prompt_hash: str
    sample: Sample
    images: tuple[ImageRef, ...]
    prompt_tokens: int
    responses: tuple[Response, ...]
    skipped: str | None = None

    @property
    def label(self) -> str:
        """The task as the report names it: ``mmmu``, or ``mmmu_official``."""
        return task_label(self.sample.task, self.sample.source)


@dataclass(frozen=True)
class Attempt:
    """One graded response.

    Attributes:
        answer: The extracted answer, or None.
        outcome: CORRECT, WRONG or UNGRADED.
        reason: For people.
        decided_by: ``rules``, ``judge`` or ``none``.
        is_format_valid: All three segments there.
        is_unparsed: No answer found.
        is_truncated: Cut off at the token limit.
        official: Outcome by the benchmark's own rule where it differs from ours (ViLP), or None.
    """

    answer: str | None
    outcome: Outcome
    reason: str
    decided_by: str
    is_format_valid: bool
    is_unparsed: bool
    is_truncated: bool
    official: Outcome | None = None


@dataclass(frozen=True)
class VerdictRecord:
    """One line of verdicts.jsonl: a question's attempts, in sample order."""

    key: str
    grading: str
    attempts: tuple[Attempt, ...] = field(default_factory=tuple)


def task_label(task: str, source: Source) -> str:
    """The task's name in run folders and reports.

    >>> task_label("mmmu", "paper"), task_label("vilp_f", "official")
    ('mmmu', 'vilp_f_official')
    """
    return task if source == "paper" else f"{task}_official"


def row_name(label: str, row: int) -> str:
    """A row of a benchmark, as every key of its question starts.

    >>> row_name("mmmu", 7)
    'mmmu:00007'
    """
    return f"{label}:{row:05d}"


def row_of(key: str) -> str:
    """Label and row of a question's key: what is known of a row even if it cannot be read.

    >>> row_of("mmmu:00007:validation_Math_1")
    'mmmu:00007'
    """
    return ":".join(key.split(":", 2)[:2])


def completion_line(record: CompletionRecord) -> str:
    """The record as one line of JSON, newline included, keys sorted."""
    fields = asdict(record)
    del fields["sample"]["images"]
    return json.dumps(fields, ensure_ascii=False, sort_keys=True) + "\n"


def parse_completion(line: str, *, texts: bool = True) -> CompletionRecord:
    """A line of completions.jsonl as a record; without `texts` every `Response.text` is "".

    Raises:
        ValueError: The line is not JSON (torn), or not a completion record.
    """
    try:
        fields: dict[str, Any] = json.loads(line)
        sample = dict(fields["sample"])
        sample["kind"] = AnswerKind(sample["kind"])
        sample["options"] = tuple(sample["options"])
        responses = [r if texts else {**r, "text": ""} for r in fields["responses"]]
        return CompletionRecord(
            key=fields["key"],
            prompt_hash=fields["prompt_hash"],
            sample=Sample(**sample),
            images=tuple(ImageRef(**image) for image in fields["images"]),
            prompt_tokens=fields["prompt_tokens"],
            responses=tuple(Response(**response) for response in responses),
            skipped=fields["skipped"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a completion record: {error!r}") from error


def verdict_line(record: VerdictRecord) -> str:
    """The record as one line of JSON, newline included, keys sorted."""
    return json.dumps(asdict(record), ensure_ascii=False, sort_keys=True) + "\n"


def parse_verdict(line: str) -> VerdictRecord:
    """A line of verdicts.jsonl as a record.

    Raises:
        ValueError: The line is not a verdict record.
    """
    try:
        fields: dict[str, Any] = json.loads(line)
        attempts = []
        for attempt in fields["attempts"]:
            official = attempt["official"]
            attempts.append(
                Attempt(
                    **{
                        **attempt,
                        "outcome": Outcome(attempt["outcome"]),
                        "official": None if official is None else Outcome(official),
                    }
                )
            )
        return VerdictRecord(fields["key"], fields["grading"], tuple(attempts))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a verdict record: {error!r}") from error


def completion_files(folder: Path) -> list[Path]:
    """Every journal in the folder: one process's, or one per rank."""
    return sorted(folder.glob("completions*.jsonl"))


def read_completions(folder: Path, *, texts: bool = True) -> dict[str, CompletionRecord]:
    """All completions of a run by key, over all rank files, sorted by key.

    A torn last line (the process was killed while writing) is left out: its prompt counts as
    not asked. A key that stands twice (two ranks padded alike) is taken once. Without `texts`
    every `Response.text` is "": a large run then fits into a few megabytes.

    Raises:
        RunFolderError: A line before the last one is damaged, or there is no journal.
    """
    files = completion_files(folder)
    if not files:
        raise RunFolderError(
            f"{folder} holds no completions.jsonl: not a run folder, or nothing was generated yet"
        )
    found: dict[str, CompletionRecord] = {}
    for path in files:
        for record in _whole_lines(path, texts):
            found.setdefault(record.key, record)
    # A row that was skipped once and answered later (its image was mended) is answered.
    answered = {row_of(key) for key, record in found.items() if record.skipped is None}
    return {
        key: record
        for key, record in sorted(found.items())
        if record.skipped is None or row_of(key) not in answered
    }


def _whole_lines(path: Path, texts: bool) -> Iterator[CompletionRecord]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                return  # the torn last line
            try:
                yield parse_completion(raw.decode(), texts=texts)
            except ValueError as error:
                raise RunFolderError(
                    f"{path} line {number} is damaged ({error}); remove that line and run the same "
                    "command again: only its prompt is asked anew"
                ) from error


def read_verdicts(folder: Path) -> dict[str, VerdictRecord]:
    """All verdicts of a run by key.

    Raises:
        RunFolderError: There is no verdicts.jsonl, or a line is damaged.
    """
    path = folder / "verdicts.jsonl"
    if not path.is_file():
        raise RunFolderError(f"{path} is missing; make it with: vigos-eval grade {folder}")
    found: dict[str, VerdictRecord] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                record = parse_verdict(line)
            except ValueError as error:
                raise RunFolderError(
                    f"{path} line {number} is damaged ({error}); rebuild it with: "
                    f"vigos-eval grade {folder}"
                ) from error
            found[record.key] = record
    return found


def read_run_settings(folder: Path) -> Mapping[str, Any]:
    """run.json as a mapping.

    Raises:
        RunFolderError: It is missing or not JSON.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise RunFolderError(f"{path} is missing: {folder} is not a run folder")
    try:
        settings: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise RunFolderError(f"{path} is not JSON: {error}") from error
    return settings
