"""MathVista testmini: figures, charts and tables; numbers are graded at the row's `precision`."""

from __future__ import annotations

from collections.abc import Mapping

from vigos_eval.benchmarks.kinds import kind_of
from vigos_eval.benchmarks.options import with_options
from vigos_eval.benchmarks.reader import (
    Reader,
    Row,
    as_list,
    gold_of,
    id_of,
    listed,
    text_of,
)
from vigos_eval.benchmarks.released import released_reader
from vigos_eval.errors import DataError
from vigos_eval.types import AnswerKind, Sample

PAPER = released_reader("mathvista")
NUMBERS = ("integer", "float")


def official_question(row: Row, index: int) -> Sample:
    """The Sample of a row of AI4Math/MathVista, without its image.

    Raises:
        DataError: No question or no answer.
    """
    text = text_of(row, "question").strip()
    if not text:
        raise DataError("its question is empty")
    choices = listed(row, "choices")
    gold = gold_of(row)
    metadata = row.get("metadata")
    task = text_of(metadata, "task") if isinstance(metadata, Mapping) else ""
    # An option that is itself a letter is meant by its text: golds are texts here.
    gold_is = "text" if choices else ""
    grading = {"precision": _decimals(row), "unit": text_of(row, "unit"), "gold": gold_is}
    return Sample(
        task="mathvista",
        source="official",
        id=id_of(row, "pid", index),
        question=with_options(text, choices),
        gold=gold,
        kind=_kind(gold, choices, text_of(row, "answer_type")),
        cluster="",
        options=choices,
        subgroups={"task": task} if task else {},
        grading={name: value for name, value in grading.items() if value},
    )


def _decimals(row: Row) -> str:
    """`precision` as a whole number: the parquet holds 1.0. "" when there is none."""
    precision = row.get("precision")
    # NaN stands for "none" in some exports.
    if precision is None or precision == "" or precision != precision:
        return ""
    return str(int(float(precision)))


def _kind(gold: str, choices: tuple[str, ...], answer_type: str) -> AnswerKind:
    if choices:
        return AnswerKind.CHOICE
    if answer_type in NUMBERS:
        return AnswerKind.NUMBER
    if answer_type == "list":
        return AnswerKind.LIST
    return kind_of(gold, choices)


def official_images(row: Row, index: int) -> list[object]:
    """`decoded_image`; the column `image` is only its path on the authors' disk."""
    return as_list(row.get("decoded_image"))


OFFICIAL = Reader(
    columns=(
        ("pid", "question", "choices", "precision", "answer", "answer_type", "decoded_image"),
    ),
    question=official_question,
    images=official_images,
)
