"""Questions -> completions in the journal: the window, resume, rows that cannot be asked.

Knows no lmms-eval and no engine by name; model.py hands both in.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vigos_eval.engines.base import Engine
from vigos_eval.errors import DataError, PromptRefused, RunFolderError
from vigos_eval.journal import Journal
from vigos_eval.progress import Progress
from vigos_eval.prompts import build_prompt
from vigos_eval.protocol import Protocol, fingerprint
from vigos_eval.records import CompletionRecord, ImageRef, Response, row_name, task_label
from vigos_eval.term_signal import TermSignal
from vigos_eval.types import AnswerKind, Decoding, EncodedImage, Generated, Prompt, Sample, Source

SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif"}


@dataclass(frozen=True)
class Question:
    """One prompt to be asked n times.

    Attributes:
        task: Plain task name.
        source: Where the row comes from.
        row: Its index in the task's data, from 0.
        n: Samples.
        sample: Builds the Sample, images included; called inside the window only. Raises
            DataError for a row that cannot be asked.
    """

    task: str
    source: Source
    row: int
    n: int
    sample: Callable[[], Sample]


@dataclass(frozen=True)
class Asked:
    """What came of asking.

    Attributes:
        records: One record per question, in the questions' order; None where the row failed.
        failures: What was wrong with the rows that failed.
    """

    records: tuple[CompletionRecord | None, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Asking:
    """Everything that stays the same while a run's questions are asked.

    Attributes:
        protocol: How to ask.
        folder: The run folder.
        journal: Where whole prompts are appended.
        engine: Opens the engine; called only when a question is really left to ask.
        is_skipping_bad_rows: Record unreadable rows as skipped instead of failing.
        is_saving_images: Keep images in the folder.
    """

    protocol: Protocol
    folder: Path
    journal: Journal
    engine: Callable[[], Engine]
    is_skipping_bad_rows: bool
    is_saving_images: bool


def question_key(task: str, source: Source, row: int, sample_id: str) -> str:
    """A question's key: the label, the row (data sets repeat ids) and the id.

    >>> question_key("mmmu", "paper", 7, "validation_Math_1")
    'mmmu:00007:validation_Math_1'
    """
    return f"{row_name(task_label(task, source), row)}:{sample_id}"


def ask(
    asking: Asking,
    questions: Sequence[Question],
    done: Mapping[str, CompletionRecord],
    progress: Progress,
) -> Asked:
    """Ask every question that `done` does not hold yet, and append the answers to the journal.

    Raises:
        RunFolderError: A question was asked before with another prompt, image or gold, or the
            disk is full.
        EngineError: The engine died, or refuses a prompt that is not to be skipped.
        SystemExit: SIGTERM came; the line being written was finished first.
    """
    records: dict[int, CompletionRecord] = {}
    failures: list[str] = []
    with TermSignal() as term:
        for n in sorted({question.n for question in questions}):
            decoding = asking.protocol.decoding(n)
            share = [i for i, question in enumerate(questions) if question.n == n]
            while share:
                waiting: dict[str, tuple[int, CompletionRecord]] = {}
                prompts = _prompts(
                    asking, questions, share, decoding, done, (records, failures, waiting)
                )
                share = []
                try:
                    for generated in _generated(asking, prompts, decoding):
                        index, blank = waiting.pop(generated.key)
                        record = _answered(blank, generated, decoding, asking.protocol.prefill)
                        with term.held():
                            asking.journal.append(record)
                        records[index] = record
                        progress.advance(sum(response.tokens for response in record.responses))
                except PromptRefused as refused:
                    if not asking.is_skipping_bad_rows:
                        raise
                    index = waiting[refused.key][0]
                    records[index] = _journaled_skip(asking, questions[index], str(refused), done)
                    # The engine has let go of everything: ask the others anew.
                    share = [i for i, q in enumerate(questions) if q.n == n and i not in records]
    return Asked(tuple(records.get(i) for i in range(len(questions))), tuple(failures))


def _generated(
    asking: Asking, prompts: Iterator[Prompt], decoding: Decoding
) -> Iterator[Generated]:
    """The engine's answers; it is opened only for a first prompt: a finished run needs no GPU."""
    first = next(prompts, None)
    if first is not None:
        yield from asking.engine().generate(itertools.chain([first], prompts), decoding)


Outcome = tuple[dict[int, CompletionRecord], list[str], dict[str, tuple[int, CompletionRecord]]]


def _prompts(
    asking: Asking,
    questions: Sequence[Question],
    share: Sequence[int],
    decoding: Decoding,
    done: Mapping[str, CompletionRecord],
    outcome: Outcome,
) -> Iterator[Prompt]:
    """The prompts that are still to be asked; rows done or failed go into `outcome` at once."""
    records, failures, waiting = outcome
    for index in share:
        question = questions[index]
        try:
            sample = question.sample()
            key = question_key(question.task, question.source, question.row, sample.id)
            prompt = build_prompt(sample, asking.protocol, key)
        except DataError as error:
            if asking.is_skipping_bad_rows:
                records[index] = _journaled_skip(asking, question, str(error), done)
            else:
                failures.append(str(error))
            continue
        blank = CompletionRecord(
            key=key,
            prompt_hash=prompt_hash(prompt, decoding),
            sample=replace(sample, images=()),
            images=tuple(ImageRef(i.sha256, image_suffix(i)) for i in sample.images),
            prompt_tokens=0,
            responses=(),
        )
        if key in done and done[key].skipped is None:
            if difference := _difference(done[key], blank):
                raise RunFolderError(
                    f"{key} was asked with another {difference} in {asking.folder}: the data "
                    "changed under this run. Use another folder: --model_args run=DIR"
                )
            records[index] = done[key]
            continue
        if asking.is_saving_images:
            save_images(asking.folder, sample.images)
        waiting[key] = (index, blank)
        yield prompt


def _difference(there: CompletionRecord, now: CompletionRecord) -> str | None:
    """What changed in a row since it was answered, or None."""
    if there.prompt_hash != now.prompt_hash:
        return "prompt or image"
    return "gold answer" if there.sample.gold != now.sample.gold else None


def prompt_hash(prompt: Prompt, decoding: Decoding) -> str:
    """Identity of what was asked: messages, prefill, images and decoding, not the key."""
    return fingerprint(
        {
            "messages": [asdict(message) for message in prompt.messages],
            "prefill": prompt.prefill,
            "images": [image.sha256 for image in prompt.images],
            "decoding": asdict(decoding),
        }
    )


def image_suffix(image: EncodedImage) -> str:
    """File suffix of an encoded image by its first bytes.

    >>> image_suffix(EncodedImage(b"GIF89a", "0"))
    '.gif'
    """
    return next((s for head, s in SUFFIXES.items() if image.data.startswith(head)), ".img")


def save_images(folder: Path, images: Sequence[EncodedImage]) -> None:
    """Keep the images in the run folder, each once, under their hash.

    Raises:
        RunFolderError: The disk is full.
    """
    for image in images:
        path = folder / "images" / f"{image.sha256}{image_suffix(image)}"
        if path.exists():
            continue
        path.parent.mkdir(exist_ok=True)
        # Ranks meet at one image: five versions of a problem are asked at the same time.
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_bytes(image.data)
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise RunFolderError(
                f"no image can be kept in {path.parent} ({error.strerror}); make room, or run "
                "with save_images=false: nothing that was answered is lost"
            ) from error


def _answered(
    blank: CompletionRecord, generated: Generated, decoding: Decoding, prefill: str
) -> CompletionRecord:
    return replace(
        blank,
        prompt_tokens=generated.prompt_tokens,
        responses=tuple(
            Response(prefill + c.text, c.tokens, c.finish_reason, decoding.seed + i)
            for i, c in enumerate(generated.completions)
        ),
    )


def _journaled_skip(
    asking: Asking, question: Question, reason: str, done: Mapping[str, CompletionRecord]
) -> CompletionRecord:
    """The record of a row that is left out, written down unless an earlier run did."""
    record = _skipped(question, reason)
    if record.key not in done:
        asking.journal.append(record)
    return record


def _skipped(question: Question, reason: str) -> CompletionRecord:
    name = f"row {question.row}"
    sample = Sample(
        task=question.task,
        source=question.source,
        id=name,
        question="",
        gold="",
        kind=AnswerKind.TEXT,
        cluster=name,
    )
    key = question_key(question.task, question.source, question.row, name)
    return CompletionRecord(key, "", sample, (), 0, (), skipped=reason)
