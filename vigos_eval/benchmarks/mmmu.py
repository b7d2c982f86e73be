"""MMMU validation: college questions with up to seven images, 847 multiple choice and 53 open."""

from __future__ import annotations

import re
from dataclasses import replace

from vigos_eval.benchmarks.kinds import kind_of
from vigos_eval.benchmarks.options import with_options
from vigos_eval.benchmarks.reader import (
    Reader,
    Row,
    column_images,
    gold_of,
    id_of,
    listed,
    numbered_images,
    text_of,
)
from vigos_eval.benchmarks.released import COLUMNS, released_question
from vigos_eval.errors import DataError
from vigos_eval.types import AnswerKind, Sample

ALTERNATIVES = {"rule": "alternatives"}
"""An open gold such as ``['1.06', '1.1']`` lists answers of which each is right, not a list."""


def subject_of(row_id: str) -> str:
    """The subject inside an MMMU id, or "" when the id holds none.

    >>> subject_of("validation_Clinical_Medicine_23"), subject_of("17")
    ('Clinical_Medicine', '')
    """
    match = re.fullmatch(r"(?:validation|test|dev)_(.+)_\d+", row_id)
    return match[1] if match else ""


def paper_question(row: Row, index: int) -> Sample:
    """The Sample of a row of zli12321/MMMU, without its images."""
    return graded_by_alternatives(released_question("mmmu", row, index))


def official_question(row: Row, index: int) -> Sample:
    """The Sample of a row of MMMU/MMMU, without its images; ``<image n>`` marks stay in place."""
    return graded_by_alternatives(marked_question("mmmu", row, index))


def marked_question(task: str, row: Row, index: int) -> Sample:
    """A row with ``<image n>`` marks, as MMMU and MMMU-Pro standard have it.

    Raises:
        DataError: No question, no answer, or options that are no list.
    """
    text = text_of(row, "question").strip()
    if not text:
        raise DataError("its question is empty")
    options = listed(row, "options")
    gold = gold_of(row)
    subject = text_of(row, "subject") or subject_of(id_of(row, "id", index))
    return Sample(
        task=task,
        source="official",
        id=id_of(row, "id", index),
        question=with_options(text, options),
        gold=gold,
        kind=kind_of(gold, options),
        cluster="",
        options=options,
        subgroups={"subject": subject} if subject else {},
    )


def graded_by_alternatives(sample: Sample) -> Sample:
    """The sample; an open gold that is a list is marked as a list of alternatives."""
    subject = sample.subgroups.get("subject") or subject_of(sample.id)
    subgroups = {"subject": subject} if subject else {}
    is_list = sample.kind is AnswerKind.LIST
    return replace(sample, subgroups=subgroups, grading=ALTERNATIVES if is_list else {})


PAPER = Reader(columns=(COLUMNS,), question=paper_question, images=column_images("images"))
OFFICIAL = Reader(
    columns=(("id", "question", "options", "image_1", "answer", "question_type"),),
    question=official_question,
    images=lambda row, index: numbered_images(row),
)
