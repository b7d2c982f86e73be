"""MathVerse testmini: 788 problems, each in five versions that move text into the figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vigos_eval.benchmarks.kinds import kind_of
from vigos_eval.benchmarks.mmmu_pro import IN_THE_IMAGE
from vigos_eval.benchmarks.options import letter_index, options_in
from vigos_eval.benchmarks.reader import (
    CLUSTER,
    Reader,
    Row,
    column_images,
    gold_of,
    id_of,
    listed,
    text_of,
)
from vigos_eval.benchmarks.released import COLUMNS, released_question
from vigos_eval.types import AnswerKind, Sample

VERSIONS = 5


def paper_question(row: Row, index: int) -> Sample:
    """The Sample of a row of zli12321/mathverse, without its image."""
    # The "Vision Only" version has all of its text in the figure.
    sample = released_question("mathverse", row, index, if_empty=IN_THE_IMAGE)
    problem = str(row[CLUSTER]) if CLUSTER in row else str(index // VERSIONS)
    return replace(sample, kind=_kind(sample.gold, sample.options), cluster=problem)


def problems(ids: Sequence[object]) -> list[str]:
    """Which problem each released row is a version of.

    The released columns do not name it. An id that repeats is the problem's; ids that are all
    different count rows, and the five versions of a problem follow each other as in testmini
    (3940 = 788 x 5).

    >>> problems(["p1", "p1", "p2", "p2"])
    ['p1', 'p1', 'p2', 'p2']
    >>> problems(range(10))
    ['0', '0', '0', '0', '0', '1', '1', '1', '1', '1']
    """
    if len(set(map(str, ids))) < len(ids):
        return [str(each) for each in ids]
    return [str(index // VERSIONS) for index in range(len(ids))]


def official_question(row: Row, index: int) -> Sample:
    """The Sample of a row of AI4Math/MathVerse, without its image."""
    text = text_of(row, "question").strip() or IN_THE_IMAGE
    choices = listed(row, "choices")
    # Older copies keep the choices ("A:12") beside the question instead of in it.
    missing = [choice for choice in choices if choice not in text]
    question = "\n".join([text, "Choices:", *missing]) if missing else text
    # The version with everything in the figure has its whole text here, and its choices with it.
    whole = "\n".join(choices) or text_of(row, "question_for_eval")
    options = options_in(whole) or options_in(question)
    gold = gold_of(row)
    metadata = row.get("metadata")
    subject = text_of(metadata, "subject") if isinstance(metadata, Mapping) else ""
    version = text_of(row, "problem_version")
    names = {"version": version, "subject": subject}
    return Sample(
        task="mathverse",
        source="official",
        id=id_of(row, "sample_index", index),
        question=question,
        gold=gold,
        kind=_kind(gold, options, text_of(row, "question_type")),
        cluster=text_of(row, "problem_index"),
        options=options,
        subgroups={name: value for name, value in names.items() if value},
    )


def _kind(gold: str, options: Sequence[str], question_type: str = "") -> AnswerKind:
    """Multiple choice may name several letters, one per line ("C\\nD")."""
    letters = gold.split("\n")
    if question_type == "multi-choice" or all(letter_index(each) is not None for each in letters):
        return AnswerKind.CHOICE
    return kind_of(gold, options)


PAPER = Reader(
    columns=(COLUMNS,),
    question=paper_question,
    images=column_images("images"),
    clusters=problems,
)
OFFICIAL = Reader(
    columns=(("sample_index", "problem_index", "problem_version", "question", "answer", "image"),),
    question=official_question,
    images=column_images("image"),
)
