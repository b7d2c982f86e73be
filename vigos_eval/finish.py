"""The end of a run: grade everything once, write verdicts and scores, tell the other ranks."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vigos_eval.errors import DataError, UserError
from vigos_eval.grading.run import GradedRun, grade_records, open_reason
from vigos_eval.metrics import run_scores
from vigos_eval.model_args import RunSettings
from vigos_eval.protocol import Protocol
from vigos_eval.ranks import from_all_ranks, from_rank_0
from vigos_eval.records import (
    CompletionRecord,
    read_completions,
    read_verdicts,
    verdict_line,
)
from vigos_eval.report import ReportOptions, report_text
from vigos_eval.run_folder import close_run, record_grading, write_text
from vigos_eval.scored_run import read_run
from vigos_eval.scores import RunScores, scores_text
from vigos_eval.scoring import publish_verdicts


class ScoreWithheld(UserError):
    """Too many questions are ungraded for a score to mean anything; the answers are kept.

    Attributes:
        labels: The tasks whose score is withheld.
        is_all: Whether no task of the run has a score left.
    """

    def __init__(self, message: str, labels: frozenset[str], is_all: bool) -> None:
        # All of them are the exception's arguments, or it could not be sent to the other ranks.
        super().__init__(message, labels, is_all)
        self.labels = labels
        self.is_all = is_all

    def __str__(self) -> str:
        return str(self.args[0])


def refuse_failures(failures: Sequence[str], folder: Path, world_size: int) -> None:
    """Wait until every rank is through, and end all of them alike if any met a row it could not ask.

    A rank that ended alone would take the others' unfinished work with it.

    Raises:
        DataError: In every rank: how many rows, and the first of them.
    """
    found = list(failures)
    if world_size > 1:
        found = [failure for share in from_all_ranks(found) for failure in share]
    if found:
        raise DataError(
            f"rows that cannot be asked: {len(found)}, e.g. {found[0]}; the other answers are kept "
            f"in {folder}. Mend the data and run the same command again, or leave such rows out "
            "with --model_args skip_bad_rows=true"
        )


def finish_run(
    folder: Path, protocol: Protocol, settings: RunSettings, *, rank: int, world_size: int
) -> None:
    """Grade the run in rank 0 and make the verdicts known to every rank's host.

    A task with a withheld score shows no number, nor does a mean over it; the others do.

    Raises:
        ScoreWithheld: More than 1 % of every task's questions are ungraded, and the user has not
            allowed that.
        UserError: What rank 0 raised, in every rank.
    """
    error: UserError | None = None
    if rank == 0:
        try:
            graded, _ = grade_run_folder(
                folder,
                protocol,
                is_allowing_ungraded=settings.is_allowing_ungraded,
                is_ended=True,
            )
            if protocol.judge.mode != "rules":
                print(f"vigos: judge {protocol.judge.model}: {graded.cost}", file=sys.stderr)
        except UserError as raised:
            error = raised
    if world_size > 1:
        error = from_rank_0(error)
    withheld: frozenset[str] = frozenset()
    if isinstance(error, ScoreWithheld) and not error.is_all:
        withheld = error.labels
    elif error is not None:
        raise error
    if rank == 0:
        if withheld:
            print(f"vigos: {error}", file=sys.stderr)
        print(
            f"vigos: run folder {folder}; scores with clustered errors (lmms-eval's Stderr_CLT "
            f"knows no clusters): vigos-eval report {folder}; samples: vigos-eval view {folder}",
            file=sys.stderr,
            flush=True,
        )
    publish_verdicts(folder, read_completions(folder), read_verdicts(folder), withheld)


def grade_run_folder(
    folder: Path, protocol: Protocol, *, is_allowing_ungraded: bool, is_ended: bool = False
) -> tuple[GradedRun, RunScores]:
    """Write verdicts.jsonl and scores.json of a run folder from its completions.

    `is_ended`: the run has just asked all it was to ask; see `close_run`.

    Raises:
        ScoreWithheld: See `finish_run`; verdicts are written all the same.
        RunFolderError: A file is damaged or cannot be written.
    """
    completions = read_completions(folder)
    graded = grade_records(
        {key: record for key, record in completions.items() if record.skipped is None},
        protocol.extraction,
        protocol.judge,
        folder / "judge_cache.jsonl",
    )
    lines = (verdict_line(graded.verdicts[key]) for key in sorted(graded.verdicts))
    write_text(folder / "verdicts.jsonl", "".join(lines))
    scores = run_scores(completions, graded.verdicts)
    skipped = skipped_count(completions)
    close_run(folder, asked_counts(completions), skipped, is_ended=is_ended)
    record_grading(folder, protocol)
    withheld = [task for task in scores.tasks.values() if task.is_withheld]
    if withheld and not is_allowing_ungraded:
        (folder / "scores.json").unlink(missing_ok=True)
        counts = ", ".join(f"{task.label} {task.ungraded} of {task.n}" for task in withheld)
        raise ScoreWithheld(
            f"no score of {', '.join(task.label for task in withheld)}: more than 1 % of its "
            f"questions are ungraded ({counts}; {open_reason(graded.verdicts)}). The answers are "
            f"kept; {_next_step(folder, protocol, graded)}, or accept the gap (the same with "
            "--allow-ungraded; --model_args allow_ungraded=true)",
            frozenset(task.label for task in withheld),
            len(withheld) == len(scores.tasks),
        )
    write_text(folder / "scores.json", scores_text(scores))
    options = ReportOptions(format="md", allow_ungraded=is_allowing_ungraded)
    write_text(folder / "report.md", report_text([read_run(folder)], options))
    return graded, scores


def _next_step(folder: Path, protocol: Protocol, graded: GradedRun) -> str:
    """What closes the gap: a judge where there is none, else the one that failed, asked again."""
    if protocol.judge.mode == "rules":
        return (
            "let a judge decide what is open "
            f"(vigos-eval grade {folder} --judge-model NAME --judge-base-url URL)"
        )
    return (
        f"{graded.cost}; once the judge answers, vigos-eval grade {folder} asks it only for what "
        f"is missing (another one with --judge-model NAME --judge-base-url URL)"
    )


def asked_counts(completions: dict[str, CompletionRecord]) -> dict[str, int]:
    """Questions asked or skipped, by task label."""
    return dict(Counter(record.label for record in completions.values()))


def skipped_count(completions: dict[str, CompletionRecord]) -> int:
    """Rows that were never asked."""
    return sum(record.skipped is not None for record in completions.values())
