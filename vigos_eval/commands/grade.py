"""`vigos-eval grade RUN`: grade a run folder again; no model, no data set, no GPU."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vigos_eval.protocol import JudgeSettings, Protocol
    from vigos_eval.records import VerdictRecord

JUDGE_OPTIONS = ("model", "base_url", "key_env", "concurrency", "timeout_s")
MAX_LISTED = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument(
        "--judge",
        choices=["rules", "hybrid", "llm"],
        help="rules: ask nobody; hybrid: ask for what rules leave open; llm: ask for every answer "
        "(default: hybrid when --judge-model is given, else what the run was graded with)",
    )
    parser.add_argument("--judge-model", metavar="NAME", help="model name at the endpoint")
    parser.add_argument(
        "--judge-base-url", metavar="URL", help="OpenAI-compatible endpoint, ending in /v1"
    )
    parser.add_argument(
        "--judge-key-env", metavar="VARIABLE", help="NAME of the variable that holds the key"
    )
    parser.add_argument(
        "--judge-concurrency", type=int, metavar="N", help="calls in flight at once"
    )
    parser.add_argument(
        "--judge-timeout-s", type=float, metavar="S", help="limit per call, seconds"
    )
    parser.add_argument(
        "--extraction",
        choices=["boxed", "final_answer"],
        help="how answers are taken from responses (default: the run's protocol)",
    )
    parser.add_argument(
        "--allow-ungraded",
        action="store_true",
        help="write scores although more than 1 %% of a task's questions are ungraded",
    )
    parser.add_argument(
        "--all", action="store_true", help=f"list every change, not the first {MAX_LISTED}"
    )


def run(args: argparse.Namespace) -> int:
    """Grade, list the verdicts that changed, say what the judge cost; 0."""
    from vigos_eval.finish import ScoreWithheld, grade_run_folder
    from vigos_eval.records import read_run_settings, read_verdicts

    protocol = _protocol(read_run_settings(args.run), args)
    before = read_verdicts(args.run) if (args.run / "verdicts.jsonl").is_file() else {}
    try:
        graded, _ = grade_run_folder(args.run, protocol, is_allowing_ungraded=args.allow_ungraded)
    except ScoreWithheld:
        _print_changes(before, read_verdicts(args.run), is_whole=args.all)
        raise
    _print_changes(before, graded.verdicts, is_whole=args.all)
    if protocol.judge.mode != "rules":
        print(graded.cost)
    print(f"wrote {args.run / 'verdicts.jsonl'} and scores.json; grading {graded.fingerprint}")
    return 0


def _protocol(settings: Mapping[str, Any], args: argparse.Namespace) -> Protocol:
    """The run's protocol with the judge and the extraction that were asked for."""
    from vigos_eval.errors import RunFolderError
    from vigos_eval.protocol import JudgeSettings, Protocol

    try:
        values = dict(settings["protocol"])
        protocol = Protocol(**{**values, "judge": JudgeSettings(**values["judge"])})
    except (KeyError, TypeError) as error:
        raise RunFolderError(
            f"{args.run / 'run.json'} holds no protocol of this version: {error!r}"
        ) from error
    judge = _judge(protocol.judge, args)
    return replace(protocol, judge=judge, extraction=args.extraction or protocol.extraction)


def _judge(default: JudgeSettings, args: argparse.Namespace) -> JudgeSettings:
    given = {
        name: getattr(args, f"judge_{name}")
        for name in JUDGE_OPTIONS
        if getattr(args, f"judge_{name}") is not None
    }
    if args.judge:
        given["mode"] = args.judge
    elif "model" in given and default.mode == "rules":
        given["mode"] = "hybrid"
    return replace(default, **given)


def changes(
    before: Mapping[str, VerdictRecord], after: Mapping[str, VerdictRecord]
) -> Iterator[tuple[str, int, str, str, str]]:
    """Key, attempt from 1, old outcome, new outcome and the new reason of every verdict that changed."""
    for key, record in sorted(after.items()):
        old = before[key].attempts if key in before else ()
        for place, attempt in enumerate(record.attempts):
            was = old[place].outcome.value if place < len(old) else "none"
            if was != attempt.outcome.value:
                yield key, place + 1, was, attempt.outcome.value, attempt.reason


def _print_changes(
    before: Mapping[str, VerdictRecord], after: Mapping[str, VerdictRecord], *, is_whole: bool
) -> None:
    from vigos_eval.grading.run import ungraded_share

    attempts = sum(len(record.attempts) for record in after.values())
    if not before:
        print(f"{attempts} attempts at {len(after)} questions graded for the first time")
        return
    found = list(changes(before, after))
    for key, attempt, was, now, reason in found if is_whole else found[:MAX_LISTED]:
        print(f"{key} attempt {attempt}: {was} -> {now} ({reason})")
    if len(found) > MAX_LISTED and not is_whole:
        print(f"... and {len(found) - MAX_LISTED} more; list them with --all")
    print(f"{len(found)} of {attempts} verdicts changed")
    print(f"{ungraded_share(after):.1%} of the questions hold an ungraded attempt")
