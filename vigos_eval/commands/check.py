"""`vigos-eval check`: is the grader right? On the data sets' own golds, or on graded answers."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vigos_eval.grading.golds import GoldCheck
    from vigos_eval.grading.tuples import Agreement, Judged

MAX_FAULTS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="tasks or groups (default: all)")
    parser.add_argument(
        "--tuples",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="instead of golds: answers that were graded elsewhere, JSON lines, plain or .gz",
    )
    parser.add_argument(
        "--from",
        dest="taken",
        choices=["extracted", "raw"],
        default="extracted",
        help="extracted: a tuple's own extraction where it has one; raw: the answer from the whole text",
    )
    parser.add_argument(
        "--rules",
        choices=["benchmark", "general"],
        default="benchmark",
        help="benchmark: read and compare as a set's own script where that decided its verdicts "
        "(MMMU, MATH-Vision); general: our grader everywhere (default: benchmark)",
    )
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    parser.add_argument(
        "--show", type=int, default=0, metavar="N", help="list up to N disagreements per file"
    )


def run(args: argparse.Namespace) -> int:
    """Print the tables; 0, or 1 when a gold is refused or a contrast accepted."""
    return _run_tuples(args) if args.tuples else _run_golds(args)


def _run_tuples(args: argparse.Namespace) -> int:
    from vigos_eval.grading.pool import POOL
    from vigos_eval.grading.tuples import agreements, judged, read_tuples
    from vigos_eval.grading.word import word_form

    # Libraries are loaded before the clock runs: an import is no pair's time.
    POOL.warm()
    word_form("mice")
    start = time.perf_counter()
    results: list[Judged] = []
    for path in args.tuples:
        of_file = []
        for item in read_tuples(path, args.rules):
            POOL.warm()  # a killed worker's replacement
            of_file.append(judged(item, args.taken))
        results += of_file
        for result in [r for r in of_file if r.is_disagreement][: args.show]:
            sample = result.item.sample
            print(
                f"{sample.task} {sample.id}: ours {result.outcome.value}, official "
                f"{'right' if result.item.is_right else 'wrong'}; answer {str(result.answer)[:80]!r}, "
                f"gold {sample.gold[:60]!r}",
                file=sys.stderr,
            )
    rows = agreements(results)
    if args.json:
        print(json.dumps([_json_row(row) for row in rows], indent=1))
    else:
        print(_table(rows))
        print(
            f"{len(results)} tuples, {args.taken}, {args.rules} rules, {time.perf_counter() - start:.1f} s"
        )
    return 0


def _json_row(row: Agreement) -> dict[str, object]:
    fields = asdict(row)
    if math.isnan(row.agreement):
        fields["agreement"] = None
    return fields


def _table(rows: list[Agreement]) -> str:
    head = (
        "source",
        "kind",
        "n",
        "agreement %",
        "false +",
        "false -",
        "undecided",
        "s / 1000",
        "slowest s",
    )
    body = [
        (
            row.source,
            row.kind,
            str(row.n),
            "-" if math.isnan(row.agreement) else f"{100 * row.agreement:.2f}",
            str(row.false_positives),
            str(row.false_negatives),
            str(row.undecided),
            f"{row.seconds_per_1000:.3f}",
            f"{row.slowest_s:.3f}",
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i < 2 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in [head, *body]
    )


def _run_golds(args: argparse.Namespace) -> int:
    from vigos_eval.benchmarks import labels, labels_of, load_rows, question_from_row
    from vigos_eval.grading.golds import check_golds

    checks = []
    for label in labels_of(args.tasks) if args.tasks else labels():
        rows = load_rows(label)
        samples = [question_from_row(label, row, index) for index, row in enumerate(rows)]
        checks.append(check_golds(label, samples))
    if args.json:
        print(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        print(_gold_lines(checks))
    return 0 if all(check.is_sound for check in checks) else 1


def _gold_lines(checks: list[GoldCheck]) -> str:
    lines = []
    for check in checks:
        lines.append(
            f"{check.label:22} {check.questions - len(check.refused)} of {check.questions} golds accepted, "
            f"{check.contrasts - len(check.accepted)} of {check.contrasts} contrasts refused"
        )
        for word, faults in (("refused", check.refused), ("accepted", check.accepted)):
            lines += [
                f"  {word}: {fault.id}: {fault.given[:60]!r} against {fault.gold[:60]!r} ({fault.reason[:80]})"
                for fault in faults[:MAX_FAULTS]
            ]
            if len(faults) > MAX_FAULTS:
                lines.append(f"  ... and {len(faults) - MAX_FAULTS} more {word}")
    return "\n".join(lines)
