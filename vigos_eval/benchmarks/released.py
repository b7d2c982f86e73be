"""The rows of the paper's data, `zli12321/*`: problem, images, answer, problem_id. All eight alike."""

from __future__ import annotations

from dataclasses import replace

from vigos_eval.benchmarks.kinds import kind_of
from vigos_eval.benchmarks.options import options_in
from vigos_eval.benchmarks.reader import Reader, Row, column_images, gold_of, id_of, text_of
from vigos_eval.errors import DataError
from vigos_eval.types import AnswerKind, Sample

COLUMNS = ("problem", "images", "answer", "problem_id")


def released_question(
    task: str, row: Row, index: int, kind: AnswerKind | None = None, if_empty: str = ""
) -> Sample:
    """The Sample of a released row, without images.

    The problem stays as published: its options are in it, and a literal ``<image>`` is kept.

    Args:
        task: Plain task name.
        row: The row.
        index: Its place in the data.
        kind: How to grade; None reads it off the gold.
        if_empty: What is asked when the problem is empty (the question is in the image).

    Raises:
        DataError: The row has no problem or no answer.
    """
    question = text_of(row, "problem").strip() or if_empty
    if not question:
        raise DataError("its problem is empty")
    gold = gold_of(row)
    options = options_in(question)
    return Sample(
        task=task,
        source="paper",
        id=id_of(row, "problem_id", index),
        question=question,
        gold=gold,
        kind=kind or kind_of(gold, options),
        cluster="",
        options=options,
    )


def released_reader(task: str, kind: AnswerKind | None = None) -> Reader:
    """The Reader of a benchmark whose released rows need nothing special."""

    def question(row: Row, index: int) -> Sample:
        sample = released_question(task, row, index, kind)
        # Free text that happens to hold "A." and "B." has no options.
        return replace(sample, options=()) if kind is AnswerKind.TEXT else sample

    return Reader(columns=(COLUMNS,), question=question, images=column_images("images"))
