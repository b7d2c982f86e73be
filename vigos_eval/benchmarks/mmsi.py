"""MMSI-Bench: spatial questions over several images, four options in the question's text."""

from __future__ import annotations

from vigos_eval.benchmarks.options import options_in
from vigos_eval.benchmarks.reader import Reader, Row, column_images, gold_of, id_of, text_of
from vigos_eval.benchmarks.released import released_reader
from vigos_eval.errors import DataError
from vigos_eval.types import AnswerKind, Sample

PAPER = released_reader("mmsi", AnswerKind.CHOICE)


def official_question(row: Row, index: int) -> Sample:
    """The Sample of a row of RunsenXu/MMSI-Bench, without its images (raw JPEG bytes there).

    Raises:
        DataError: No question or no answer.
    """
    question = text_of(row, "question").strip()
    if not question:
        raise DataError("its question is empty")
    kind = text_of(row, "question_type")
    return Sample(
        task="mmsi",
        source="official",
        id=id_of(row, "id", index),
        question=question,
        gold=gold_of(row),
        kind=AnswerKind.CHOICE,
        cluster="",
        options=options_in(question),
        subgroups={"type": kind} if kind else {},
    )


OFFICIAL = Reader(
    columns=(("id", "images", "question_type", "question", "answer"),),
    question=official_question,
    images=column_images("images"),
)
