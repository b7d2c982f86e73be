"""MMMU-Pro: ten options, and the same questions once more as a picture of themselves ("vision").

Both parts are one benchmark: their rows are pooled. Part 0 is standard, part 1 is vision.
"""

from __future__ import annotations

from dataclasses import replace

from vigos_eval.benchmarks.mmmu import marked_question, subject_of
from vigos_eval.benchmarks.reader import (
    PART,
    Reader,
    Row,
    as_list,
    column_images,
    gold_of,
    id_of,
    listed,
    numbered_images,
    text_of,
)
from vigos_eval.benchmarks.released import COLUMNS, released_question
from vigos_eval.types import AnswerKind, Sample

IN_THE_IMAGE = "Please answer the question shown in the image."
NAMES = ("standard", "vision")


def part_of(row: Row) -> int:
    """0 for a standard row, 1 for a vision row; loading says it, else the columns do.

    >>> part_of({"question": "Which?"}), part_of({"image": "..."}), part_of({"vigos_part": 1})
    (0, 1, 1)
    """
    if PART in row:
        return int(row[PART])
    return 0 if text_of(row, "question") or text_of(row, "problem") else 1


def paper_question(row: Row, index: int) -> Sample:
    """The Sample of a row of zli12321/mmmu_pro_10options or zli12321/mmmu-pro-vision."""
    sample = released_question("mmmu_pro", row, index, AnswerKind.CHOICE, if_empty=IN_THE_IMAGE)
    return _of_part(sample, part_of(row), subject_of(sample.id))


def official_question(row: Row, index: int) -> Sample:
    """The Sample of a row of MMMU/MMMU_Pro, "standard (10 options)" or "vision"."""
    part = part_of(row)
    if part == 0:
        sample = marked_question("mmmu_pro", row, index)
    else:
        sample = Sample(
            task="mmmu_pro",
            source="official",
            id=id_of(row, "id", index),
            question=IN_THE_IMAGE,
            gold=gold_of(row),
            kind=AnswerKind.CHOICE,
            cluster="",
            options=listed(row, "options"),
        )
    return _of_part(sample, part, text_of(row, "subject") or subject_of(sample.id))


def official_images(row: Row, index: int) -> list[object]:
    """image_1 .. image_7 of a standard row, `image` of a vision row."""
    return as_list(row.get("image")) if part_of(row) else numbered_images(row)


def _of_part(sample: Sample, part: int, subject: str) -> Sample:
    """The same question stands in both parts, so its id is the cluster."""
    subgroups = {"part": NAMES[part]} | ({"subject": subject} if subject else {})
    return replace(
        sample,
        id=f"{NAMES[part]}/{sample.id}",
        cluster=sample.id,
        kind=AnswerKind.CHOICE,
        subgroups=subgroups,
    )


PAPER = Reader(columns=(COLUMNS, COLUMNS), question=paper_question, images=column_images("images"))
OFFICIAL = Reader(
    columns=(
        ("id", "question", "options", "image_1", "answer"),
        ("id", "image", "options", "answer"),
    ),
    question=official_question,
    images=official_images,
)
