"""CV-Bench: counting, relations, depth and distance. One data set serves both sources.

The paper takes the plain mean over rows; the official figure is (2D + 3D) / 2 with
2D = (ADE20K + COCO) / 2, so the official rows carry their `source`.
"""

from __future__ import annotations

from collections.abc import Mapping

from vigos_eval.benchmarks.options import letter_index
from vigos_eval.benchmarks.reader import Reader, Row, column_images, gold_of, id_of, listed, text_of
from vigos_eval.errors import DataError
from vigos_eval.types import AnswerKind, Sample, Source

COLUMNS = ("idx", "type", "task", "image", "question", "choices", "answer", "prompt", "source")


def question(row: Row, index: int, source: Source) -> Sample:
    """The Sample of a row of nyu-visionx/CV-Bench, without its image; the row's own prompt is asked.

    Raises:
        DataError: No prompt, no answer, or an answer that names no choice.
    """
    text = text_of(row, "prompt").strip()
    if not text:
        raise DataError("its prompt is empty")
    choices = listed(row, "choices")
    gold = gold_of(row)
    place = letter_index(gold)
    if place is None or place >= len(choices):
        raise DataError(f"its answer {gold!r} names none of its {len(choices)} choices")
    names = {
        "type": text_of(row, "type"),
        "task": text_of(row, "task"),
        "source": text_of(row, "source"),
    }
    return Sample(
        task="cv_bench",
        source=source,
        id=id_of(row, "idx", index),
        question=text,
        # The paper's pipeline writes the choice's text behind the letter.
        gold=f"{gold} {choices[place]}" if source == "paper" else gold,
        kind=AnswerKind.CHOICE,
        cluster="",
        options=choices,
        subgroups={name: value for name, value in names.items() if value},
    )


def combined(by_source: Mapping[str, float]) -> float | None:
    """The official figure from the accuracies by source; None while a source has no rows.

    >>> combined({"ADE20K": 0.5, "COCO": 0.7, "Omni3D": 0.8})
    0.7
    """
    if not {"ADE20K", "COCO", "Omni3D"} <= by_source.keys():
        return None
    flat = (by_source["ADE20K"] + by_source["COCO"]) / 2
    return (flat + by_source["Omni3D"]) / 2


PAPER = Reader(
    columns=(COLUMNS,),
    question=lambda row, index: question(row, index, "paper"),
    images=column_images("image"),
)
OFFICIAL = Reader(
    columns=(COLUMNS,),
    question=lambda row, index: question(row, index, "official"),
    images=column_images("image"),
)
