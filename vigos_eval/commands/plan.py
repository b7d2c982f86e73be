"""`vigos-eval plan`: what an evaluation will cost, before anything is spent. Loads no model."""

from __future__ import annotations

import argparse
import itertools
import math
from dataclasses import dataclass
from pathlib import Path

from vigos_eval.errors import DataError, UserError
from vigos_eval.progress import duration
from vigos_eval.protocol import Protocol

# Rows of the public data sets; used only when the data is not at hand to be counted.
PUBLISHED_QUESTIONS = {
    "mm_vet": 218, "mmmu": 895, "mmmu_official": 900, "mmmu_pro": 3322, "mmmu_pro_official": 3460,
    "mathverse": 3940, "mathvista": 1000, "mmsi": 1000, "realworldqa": 765, "cv_bench": 2638,
    "vilp_f": 900, "vilp_p": 900,
}  # fmt: skip
# Assumed where rows cannot be read: a one-megapixel image and 300 tokens of text.
ASSUMED_PROMPT_TOKENS = 1_000_000 // 784 + 300
SAMPLED_ROWS = 32


@dataclass(frozen=True)
class TaskPlan:
    """What one task costs.

    Attributes:
        label: The task.
        prompts: Questions; each is asked once.
        samples: Responses over all questions.
        prompt_tokens: Tokens of all prompts together, estimated.
        is_counted: The data was at hand and read; False means published sizes.
    """

    label: str
    prompts: int
    samples: int
    prompt_tokens: int
    is_counted: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tasks, checkpoint, protocol and the pace to reckon with."""
    parser.add_argument("--tasks", required=True, help="e.g. mmmu,mathverse,vilp, or vigos8")
    parser.add_argument("--model", default="", help="checkpoint; for the record, nothing is loaded")
    parser.add_argument("--protocol", default="paper", help="protocol name or file")
    parser.add_argument(
        "--tokens-per-s", type=float, default=2000.0, help="sampled tokens per second, all GPUs"
    )
    parser.add_argument(
        "--tokens-per-response", type=float, default=400.0, help="expected mean response length"
    )
    parser.add_argument("--from", dest="run", help="run folder to take the response length from")


def run(args: argparse.Namespace) -> int:
    """Print prompts, samples, tokens and hours."""
    from rich.console import Console
    from rich.table import Table

    from vigos_eval.benchmarks import labels_of
    from vigos_eval.protocol import load_protocol

    for flag in ("tokens_per_s", "tokens_per_response"):
        value = getattr(args, flag)
        if not 0 < value < math.inf:
            name = flag.replace("_", "-")
            raise UserError(f"--{name} is {value:g}; it must be a number above 0")
    protocol = load_protocol(args.protocol)
    length = _mean_tokens(Path(args.run)) if args.run else args.tokens_per_response
    plans = [planned(label, protocol) for label in labels_of(args.tasks.split(","))]
    table = Table(title=f"{args.model or 'checkpoint'} under protocol {protocol.name}")
    for name in ("task", "prompts", "samples", "prompt tokens", "response tokens", "time"):
        table.add_column(name, justify="left" if name == "task" else "right")
    for plan in plans:
        table.add_row(*_cells(plan, length, args.tokens_per_s))
    total = TaskPlan(
        "total",
        sum(plan.prompts for plan in plans),
        sum(plan.samples for plan in plans),
        sum(plan.prompt_tokens for plan in plans),
        all(plan.is_counted for plan in plans),
    )
    table.add_section()
    table.add_row(*_cells(total, length, args.tokens_per_s))
    console = Console()
    console.print(table)
    most = total.samples * protocol.max_new_tokens
    console.print(
        f"At {args.tokens_per_s:g} sampled tokens/s and {length:g} tokens per response; never more "
        f"than {most:,} tokens, {duration(most / args.tokens_per_s)} (every response cut off at "
        f"{protocol.max_new_tokens}). Measure both on a few questions first: --limit 20."
    )
    if not total.is_counted:
        console.print(
            "~ the data is not at hand: published sizes, and one megapixel per question. Set "
            "VIGOS_DATA_ROOT to count the real rows."
        )
    return 0


def planned(label: str, protocol: Protocol) -> TaskPlan:
    """What a task costs, from its rows where they are at hand."""
    import os

    from vigos_eval.benchmarks import benchmark, load_rows, sample_from_row
    from vigos_eval.benchmarks.hub import ROOT_VARIABLE

    n = protocol.repeats_of(benchmark(label).task)
    if not os.environ.get(ROOT_VARIABLE):
        # The hub is not asked: a plan must not download gigabytes.
        prompts = PUBLISHED_QUESTIONS.get(
            label, PUBLISHED_QUESTIONS.get(label.removesuffix("_official"), 0)
        )
        if not prompts:
            raise UserError(f"{label} has no published size; set {ROOT_VARIABLE} to count its rows")
        return TaskPlan(label, prompts, prompts * n, prompts * ASSUMED_PROMPT_TOKENS, False)
    rows = load_rows(label)
    step = max(1, len(rows) // SAMPLED_ROWS)
    sampled = []
    for index in itertools.islice(range(0, len(rows), step), SAMPLED_ROWS):
        try:
            sample = sample_from_row(label, rows[index], index)
        except DataError:
            continue  # named when it is asked; a plan only estimates
        images = sum(_image_tokens(image.data, protocol) for image in sample.images)
        sampled.append(images + (len(protocol.prompt) + len(sample.question)) // 4)
    mean = sum(sampled) / len(sampled) if sampled else ASSUMED_PROMPT_TOKENS
    return TaskPlan(label, len(rows), len(rows) * n, round(len(rows) * mean), True)


def _image_tokens(data: bytes, protocol: Protocol) -> int:
    """Qwen2.5-VL's image tokens: one per 28 x 28 pixels, within the limits; its own most is 16,384."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        pixels = image.width * image.height
    low, high = protocol.min_pixels or 4 * 784, protocol.max_pixels or 16_384 * 784
    return min(max(pixels, low), high) // 784


def _cells(plan: TaskPlan, length: float, pace: float) -> list[str]:
    about = "" if plan.is_counted else "~"
    tokens = plan.samples * length
    return [
        plan.label,
        f"{about}{plan.prompts:,}",
        f"{about}{plan.samples:,}",
        f"~{plan.prompt_tokens:,}",
        f"~{tokens:,.0f}",
        duration(tokens / pace),
    ]


def _mean_tokens(folder: Path) -> float:
    from vigos_eval.records import read_completions

    tokens = [r.tokens for record in read_completions(folder).values() for r in record.responses]
    if not tokens:
        raise UserError(f"--from {folder}: that run holds no response yet")
    return sum(tokens) / len(tokens)
