"""A training row: images, problem, reference answer. Reading files is data.py's subject."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from vigos_eval.types import EncodedImage

IMAGE_MARK = re.compile(r"\s*<image>\s*")


@dataclass(frozen=True)
class Row:
    """One row to train on.

    Attributes:
        id: The data set's own id as text, else the row's number; for people and log files.
        problem: The question without literal ``<image>`` marks.
        answer: The reference answer as the data set writes it; "" when there is none.
        images: Encoded, in the row's order.
    """

    id: str
    problem: str
    answer: str
    images: tuple[EncodedImage, ...]


def without_image_marks(text: str) -> str:
    """The problem without literal ``<image>`` marks: the images come first in every context.

    >>> without_image_marks("<image>How many cats?")
    'How many cats?'
    >>> without_image_marks("Look at <image> and say what it is.")
    'Look at and say what it is.'
    """
    return IMAGE_MARK.sub(" ", text).strip() if "<image>" in text else text.strip()


def image_groups(images_of_row: Sequence[Sequence[str]]) -> list[str]:
    """For each row the name of its image group: rows that share an image share a group.

    Sharing is followed through rows with several images, so two groups have no image in common.

    Args:
        images_of_row: The sha256 of every image of every row.

    >>> image_groups([["a"], ["b", "c"], ["c"], ["d"]])
    ['a', 'b', 'b', 'd']
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for names in images_of_row:
        for name in names[1:]:
            first, second = sorted((root(names[0]), root(name)))
            parent[second] = first
    return [root(names[0]) if names else "" for names in images_of_row]


def is_held_out(group: str, share: float) -> bool:
    """Whether a group of images belongs to the evaluation part; depends on nothing but its name.

    >>> is_held_out("any", 0.0)
    False
    """
    digest = hashlib.sha256(f"held out {group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
