"""MM-Vet: 218 open questions; a gold may hold ``<AND>`` and ``<OR>`` alternatives."""

from __future__ import annotations

from vigos_eval.benchmarks.reader import Reader, Row, column_images, gold_of, id_of, text_of
from vigos_eval.benchmarks.released import released_reader
from vigos_eval.types import AnswerKind, Sample

PAPER = released_reader("mm_vet", AnswerKind.TEXT)


def official_question(row: Row, index: int) -> Sample:
    """The Sample of a row of whyu/mm-vet, without its image."""
    return Sample(
        task="mm_vet",
        source="official",
        id=id_of(row, "id", index),
        question=text_of(row, "question").strip(),
        gold=gold_of(row),
        kind=AnswerKind.TEXT,
        cluster="",
    )


OFFICIAL = Reader(
    columns=(("image", "question", "answer"),),
    question=official_question,
    images=column_images("image"),
)
