"""`vigos-train check-data FILE`: what is in a training set, before anything is spent."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", help="a .jsonl or .parquet file, a folder of parquet, a hub id")
    parser.add_argument("--split", default="train", help="hub split (train)")
    parser.add_argument("--problem", default="problem", help="column of the problem text")
    parser.add_argument("--images", default="images", help="column of one image or several")
    parser.add_argument("--answer", default="answer", help="column of the reference answer")
    parser.add_argument("--max-rows", type=int, default=0, help="look at so many rows; 0 is all")
    parser.add_argument(
        "--against",
        type=Path,
        action="append",
        default=[],
        metavar="RUN_OR_DATA",
        help="a benchmark's run folder or data folder: rows that share an image are named",
    )
    parser.add_argument(
        "--checkpoint", default="", help="a base, for token lengths of the student prompt"
    )
    parser.add_argument("--protocol", default="paper", help="whose student prompt (paper)")


def run(args: argparse.Namespace) -> int:
    """Print the facts; returns 0, or 1 when rows are unreadable or overlap with a benchmark."""
    from vigos_train.check_data import data_facts, facts_text, rendered_contexts
    from vigos_train.config import DataConfig
    from vigos_train.data import open_rows
    from vigos_train.method_config import RolloutConfig
    from vigos_train.overlap import benchmark_images
    from vigos_train.rollout import training_protocol

    protocol = training_protocol(args.protocol)
    against = frozenset[str]().union(*(benchmark_images(place) for place in args.against))
    rows = open_rows(
        DataConfig(
            source=args.source,
            split=args.split,
            problem=args.problem,
            images=args.images,
            answer=args.answer,
            max_rows=args.max_rows,
        )
    )
    processor = None
    if args.checkpoint:
        from vigos_eval.engines.checkpoint import find_checkpoint
        from vigos_eval.engines.rendering import load_processor

        folder = find_checkpoint(args.checkpoint).folder
        processor = load_processor(str(folder), (None, None), is_trusted=False)
    facts = data_facts(rows, against, processor, protocol)
    print(facts_text(facts, RolloutConfig().max_prompt_tokens))
    if facts.first is not None:
        print(f"\nthe contexts of {facts.first.id}:")
        for speaker, text in rendered_contexts(facts.first, protocol):
            print(f"--- {speaker} ---\n{text}")
    return 1 if facts.unreadable or facts.overlapping else 0
