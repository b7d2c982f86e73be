"""The lmms-eval chat model `vigos`: folds repeats, opens the run folder, asks, grades, scores.

What is asked is asking.py's, how it is answered the engines', what it is worth grading's.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms

from vigos_eval.active import activate, describe_run
from vigos_eval.asking import Asked, Asking, Question, ask
from vigos_eval.benchmarks import sample_from_row
from vigos_eval.controls import blind, shuffled
from vigos_eval.ending import stop
from vigos_eval.engines.base import Engine
from vigos_eval.engines.open import open_engine, resolved_settings
from vigos_eval.errors import DataError, UserError
from vigos_eval.finish import finish_run, refuse_failures
from vigos_eval.hosted import HostedTask, gen_overrides, hosted_tasks
from vigos_eval.journal import Journal
from vigos_eval.model_args import RunSettings, read_model_args
from vigos_eval.progress import Progress
from vigos_eval.protocol import VILP_TASKS, Protocol, with_overrides
from vigos_eval.ranks import leave_group_at_exit
from vigos_eval.records import (
    CompletionRecord,
    completion_files,
    read_completions,
    row_name,
    row_of,
    task_label,
)
from vigos_eval.run_folder import RunDescription, check_run, open_run, record_engine
from vigos_eval.sources import checkpoint_identity, recorded_settings
from vigos_eval.types import Sample


class Vigos(lmms):
    """`--model vigos`. Model args are documented in model_args.py and the README."""

    is_simple = False

    def __init__(self, **model_args: Any) -> None:
        super().__init__()
        # Read by the host when there are several ranks; only sizes are gathered on it.
        self.device = "cpu"
        try:
            self.settings = recorded_settings(read_model_args(model_args))
            self.identity = checkpoint_identity(self.settings.engine)
        except UserError as error:
            stop(error)
        activate(self.settings.protocol)
        self._engine: Engine | None = None

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """One result per request, in order: the full response, prefill included."""
        try:
            return self._answered(requests)
        except UserError as error:
            stop(error)
        finally:
            if self._engine is not None:
                self._engine.close()
                self._engine = None

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not offered: every ViGOS task generates."""
        raise NotImplementedError("vigos tasks generate; ask this task of another model")

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Not offered: every ViGOS task is one turn."""
        raise NotImplementedError("vigos tasks are one turn; ask this task of another model")

    def _answered(self, requests: list[Instance]) -> list[GenerationResult]:
        if self.world_size > 1:
            leave_group_at_exit()
        folded = fold(requests)
        tasks = hosted_tasks([requests[at[0]] for at in folded], self.task_dict)
        protocol = resolved_protocol(self.settings.protocol, tasks)
        run = RunDescription(
            pretrained=self.settings.engine.pretrained,
            identity=self.identity,
            engine=self.settings.engine.engine,
            protocol=protocol,
            control=self.settings.control,
            tasks={task.label: task.facts for task in tasks.values()},
        )
        folder = self.settings.run or Path("runs") / run.name
        describe_run({"folder": str(folder), "fingerprint": run.fingerprint, **run.facts})
        asked = self._asked(run, folder, requests, folded, tasks)
        refuse_failures(asked.failures, folder, self.world_size)
        finish_run(folder, protocol, self.settings, rank=self.rank, world_size=self.world_size)
        return unfold(requests, folded, asked.records)

    def _asked(
        self,
        run: RunDescription,
        folder: Path,
        requests: list[Instance],
        folded: list[list[int]],
        tasks: Mapping[str, HostedTask],
    ) -> Asked:
        """Open the run folder and ask what it does not hold yet."""
        with Journal(folder, self.rank, self.world_size) as journal:
            if self.rank == 0:
                open_run(folder, run, started=now())
            else:
                check_run(folder, run)  # rank 0's refusal may come after this rank's first answer
            done = read_completions(folder) if completion_files(folder) else {}
            asking = Asking(
                protocol=run.protocol,
                folder=folder,
                journal=journal,
                engine=lambda: self._open_engine(run.protocol, folder),
                is_skipping_bad_rows=self.settings.is_skipping_bad_rows,
                is_saving_images=self.settings.is_saving_images,
            )
            questions = [
                _question(requests[at[0]], len(at), tasks, self.task_dict, self.settings)
                for at in folded
            ]
            known = {row_of(key) for key in done}
            already = sum(row_name(_label(q), q.row) in known for q in questions)
            progress = Progress(len(questions), already, is_shown=self.rank == 0)
            try:
                return ask(asking, questions, done, progress)
            finally:
                progress.close()

    def _open_engine(self, protocol: Protocol, folder: Path) -> Engine:
        if self._engine is None:
            settings = replace(
                resolved_settings(self.settings.engine),
                min_pixels=protocol.min_pixels,
                max_pixels=protocol.max_pixels,
                chat_template=protocol.chat_template,
            )
            self._engine = open_engine(settings)
            if self.rank == 0:
                record_engine(folder, settings.engine)
        return self._engine


def fold(requests: Sequence[Instance]) -> list[list[int]]:
    """Positions of each distinct request: the host repeats one Instance object k times.

    Padding (other ranks have more work) is left out.
    """
    positions: dict[int, list[int]] = {}
    for position, request in enumerate(requests):
        if not request.metadata.get("__padding_only__"):
            positions.setdefault(id(request), []).append(position)
    return list(positions.values())


def unfold(
    requests: Sequence[Instance],
    folded: Sequence[Sequence[int]],
    records: Sequence[CompletionRecord | None],
) -> list[GenerationResult]:
    """The i-th response of a record at the i-th position of its request; "" for padding."""
    results = [GenerationResult(text="") for _ in requests]
    for positions, record in zip(folded, records, strict=True):
        responses = () if record is None else record.responses
        for position, response in zip(positions, responses, strict=False):
            results[position] = GenerationResult(
                text=response.text, token_counts=TokenCounts(output_tokens=response.tokens)
            )
    return results


def resolved_protocol(protocol: Protocol, tasks: Mapping[str, HostedTask]) -> Protocol:
    """The protocol after --gen_kwargs and --repeats, which make it `custom`.

    Raises:
        ConfigError: A generation setting that does not exist, or tasks that contradict.
    """
    overrides: dict[str, Any] = {}
    for task in tasks.values():
        overrides.update(gen_overrides(task.gen_kwargs))
        key = "vilp_repeats" if task.task in VILP_TASKS else "repeats"
        overrides[key] = task.facts.k
    return with_overrides(protocol, overrides)


def now() -> str:
    """The time in UTC, ISO 8601, seconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _label(question: Question) -> str:
    return task_label(question.task, question.source)


def _question(
    request: Instance,
    n: int,
    tasks: Mapping[str, HostedTask],
    documents: Mapping[str, Any],
    settings: RunSettings,
) -> Question:
    _, _, _, row, name, split = request.args
    task = tasks[name]
    rows = documents[name][split]

    def sample() -> Sample:
        return controlled(
            lambda index: sample_from_row(task.label, rows[index], index),
            int(row),
            len(rows),
            settings.control,
        )

    return Question(task.task, task.source, int(row), n, sample)


def controlled(
    sample_at: Callable[[int], Sample], row: int, rows: int, control: str | None
) -> Sample:
    """The row's sample, under a control with its images taken away or exchanged.

    `shuffled` lends the images of the row half the task away, so that neighbours about the
    same image are passed over.
    """
    sample = sample_at(row)
    if control == "blind":
        return blind(sample)
    if control == "shuffled":
        own = {image.sha256 for image in sample.images}
        for step in range(rows):
            other = sample_at((row + rows // 2 + step) % rows)
            if other.images and not own & {image.sha256 for image in other.images}:
                return shuffled(sample, other)
        raise DataError(f"control=shuffled: no other row of {sample.task} has another image")
    return sample
