"""ViLP: one question with three images; image 1 agrees with the prior, 2 and 3 contradict it.

ViLP-F keeps the fact sentence before the question, ViLP-P drops it. Row r of the data holds the
questions 3r, 3r + 1 and 3r + 2.
"""

from __future__ import annotations

from collections.abc import Callable

from vigos_eval.benchmarks.reader import Reader, Row, as_list, gold_of, text_of
from vigos_eval.errors import DataError
from vigos_eval.types import AnswerKind, Sample, Source

POSITIONS = 3
COLUMNS = ("question", "image1", "answer1", "image2", "answer2", "image3", "answer3")


def without_fact_release(text: str) -> str:
    """The question behind the fact, as the released code cuts it: all after the first ".".

    >>> without_fact_release("Tigers have 1.5 m tails. Which animal is this?")
    '5 m tails. Which animal is this?'
    >>> without_fact_release("Which animal is this?")
    'Which animal is this?'
    """
    return text.partition(".")[2].strip() or text.strip()


def without_fact_official(text: str) -> str:
    """The question behind the fact, as the authors cut it: the second piece between "."s.

    >>> without_fact_official("A cube rolls. It stops. What is it?")
    'It stops'
    """
    pieces = text.split(".")
    return (pieces[1].strip() if len(pieces) > 1 else "") or text.strip()


def reader(task: str, source: Source, cut: Callable[[str], str] | None) -> Reader:
    """The Reader of ViLP-F (`cut` is None) or ViLP-P."""

    def question(row: Row, index: int) -> Sample:
        text = text_of(row, "question").strip()
        if not text:
            raise DataError("its question is empty")
        place = index % POSITIONS + 1
        asked = cut(text) if cut else text
        return Sample(
            task=task,
            source=source,
            id=f"{index // POSITIONS}/image{place}",
            question=f"Please answer with one word: {asked}",
            gold=gold_of(row, f"answer{place}"),
            kind=AnswerKind.WORD,
            cluster=str(index // POSITIONS),
            subgroups={"position": f"image{place}"},
            grading={"rule": "vilp"},
        )

    def images(row: Row, index: int) -> list[object]:
        return as_list(row.get(f"image{index % POSITIONS + 1}"))

    return Reader(columns=(COLUMNS,), question=question, images=images, prompts_per_row=POSITIONS)


F_PAPER = reader("vilp_f", "paper", None)
F_OFFICIAL = reader("vilp_f", "official", None)
P_PAPER = reader("vilp_p", "paper", without_fact_release)
P_OFFICIAL = reader("vilp_p", "official", without_fact_official)
