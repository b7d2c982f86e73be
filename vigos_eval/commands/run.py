"""`vigos-eval run`: the lmms-eval command with its inputs checked first and an honest exit code.

lmms-eval exits with 0 whatever happens; this exits with 0 only when results were written.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from vigos_eval.errors import ConfigError
from vigos_eval.model_args import CONTROLS, RunSettings, read_model_args
from vigos_eval.ranks import is_main_process

MODEL_ARGS_HELP = (
    "pretrained=CHECKPOINT,protocol=paper,... (docs/model_args.md); flags not listed here go to "
    "lmms-eval, e.g. --limit 20"
)
PASSES_ON = True
"""cli.py hands flags it does not know over as `args.passed_on`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Ours; every other flag goes to lmms-eval as it stands."""
    parser.add_argument(
        "--model", choices=("vigos",), default="vigos", help="may be given, as lmms-eval needs it"
    )
    parser.add_argument("--tasks", required=True, help="e.g. mmmu,mathverse,vilp, or vigos8")
    parser.add_argument("--model_args", default="", help=MODEL_ARGS_HELP)
    parser.add_argument("--control", choices=CONTROLS, help="images greyed out or exchanged")
    parser.add_argument("--allow-ungraded", action="store_true", help="print incomplete scores")
    parser.add_argument(
        "--output_path", default="runs/lmms-eval", help="where lmms-eval writes its own results"
    )


def run(args: argparse.Namespace) -> int:
    """Check, run lmms-eval in this process, and say whether results were written."""
    model_args = str(args.model_args)
    for flag, extra in (
        (args.control, f"control={args.control}"),
        (args.allow_ungraded, "allow_ungraded=true"),
    ):
        if flag:
            model_args = f"{model_args},{extra}" if model_args else extra
    is_allowing_ungraded = check_inputs(args.tasks, model_args).is_allowing_ungraded
    # Refused now: lmms-eval makes it only after the last answer.
    Path(args.output_path).mkdir(parents=True, exist_ok=True)
    started = time.time()
    if is_main_process():
        said = "vigos-eval run: inputs are in order; starting lmms-eval"
        print(said, file=sys.stderr, flush=True)
    words = ["--model", "vigos", "--tasks", args.tasks, "--model_args", model_args]
    words += ["--output_path", args.output_path, *args.passed_on]
    _lmms_eval(words)
    return _outcome(Path(args.output_path), started, is_allowing_ungraded)


def check_inputs(tasks: str, model_args: str) -> RunSettings:
    """Everything that can be known to be wrong before a library is loaded or a model built.

    Returns:
        The settings that the model args ask for.

    Raises:
        UserError: An unknown task or model arg, a checkpoint or data that is not there.
    """
    from vigos_eval.benchmarks import check_data, labels_of
    from vigos_eval.sources import checkpoint_identity, recorded_settings

    settings = recorded_settings(read_model_args(parsed_args(model_args)))
    check_data(labels_of(tasks.split(",")))
    checkpoint_identity(settings.engine)
    return settings


def parsed_args(text: str) -> dict[str, str]:
    """`a=1,b=2` as a mapping.

    Raises:
        ConfigError: A piece without "=".

    >>> parsed_args("pretrained=x,base_url=http://a/v1?k=1")
    {'pretrained': 'x', 'base_url': 'http://a/v1?k=1'}
    """
    found = {}
    for piece in filter(None, text.split(",")):
        name, equals, value = piece.partition("=")
        if not equals:
            raise ConfigError(f"--model_args: {piece!r} is no name=value; write e.g. top_k=20")
        found[name.strip()] = value
    return found


def _lmms_eval(words: list[str]) -> None:
    """lmms-eval's own command line, in this process."""
    from lmms_eval.__main__ import cli_evaluate

    sys.argv = ["vigos-eval", *words]
    cli_evaluate()


def _outcome(output: Path, started: float, is_allowing_ungraded: bool) -> int:
    from vigos_eval.scoring import finished_runs, recorded_faults

    if faults := recorded_faults():
        print(
            f"vigos-eval run: {len(faults)} rows could not be scored, e.g. {faults[0]}. This is a "
            "fault of ours: the answers are kept, please report it",
            file=sys.stderr,
        )
        return 1
    if not is_main_process():
        return 0  # only rank 0 writes results
    written = [p for p in output.rglob("*_results.json") if p.stat().st_mtime >= started - 1]
    if not written:
        print(
            "vigos-eval run: lmms-eval wrote no results; the reason stands above", file=sys.stderr
        )
        return 1
    for folder in finished_runs():
        print(_summary(folder, is_allowing_ungraded))
    return 0


def _summary(folder: Path, is_allowing_ungraded: bool) -> str:
    """The run's own table, with errors and shares that the host's has no room for."""
    from vigos_eval.report import ReportOptions, report_text
    from vigos_eval.scored_run import read_run

    options = ReportOptions(
        is_with_subgroups=False,
        allow_ungraded=is_allowing_ungraded,
        is_coloured=sys.stdout.isatty(),
    )
    return report_text([read_run(folder)], options) + f"\nrun folder: {folder}"
