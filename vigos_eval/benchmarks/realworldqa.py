"""RealWorldQA: one photo, one question; the answer is a letter, a word or a number."""

from __future__ import annotations

from vigos_eval.benchmarks.kinds import kind_of
from vigos_eval.benchmarks.options import options_in
from vigos_eval.benchmarks.reader import Reader, Row, column_images, gold_of, text_of
from vigos_eval.benchmarks.released import released_reader
from vigos_eval.errors import DataError
from vigos_eval.types import Sample

PAPER = released_reader("realworldqa")


def official_question(row: Row, index: int) -> Sample:
    """The Sample of a row of xai-org/RealworldQA, without its image; the rows have no id.

    Raises:
        DataError: No question or no answer.
    """
    question = text_of(row, "question").strip()
    if not question:
        raise DataError("its question is empty")
    options = options_in(question)
    gold = gold_of(row)
    return Sample(
        task="realworldqa",
        source="official",
        id=str(index),
        question=question,
        gold=gold,
        kind=kind_of(gold, options),
        cluster="",
        options=options,
    )


OFFICIAL = Reader(
    columns=(("image", "question", "answer"),),
    question=official_question,
    images=column_images("image"),
)
