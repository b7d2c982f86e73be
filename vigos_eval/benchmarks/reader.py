"""What every benchmark's module is made of: a `Reader`, and reading cells of a row. No benchmark here."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigos_eval.errors import DataError
from vigos_eval.types import Sample

Row = Mapping[str, Any]

PART = "vigos_part"
"""Column that loading adds: which of a benchmark's pooled data sets the row came from, from 0."""

CLUSTER = "vigos_cluster"
"""Column that loading adds where a row alone cannot tell which rows belong together."""

IMAGE_COLUMN = re.compile(r"images?|image_?(\d+)|decoded_image")
LONGEST_LIST = 20_000


@dataclass(frozen=True)
class Reader:
    """How rows of one data source become Samples.

    Attributes:
        columns: Columns that every row must have, per pooled data set (one entry for most).
        question: Row and index -> the Sample without its images; `cluster` is "" where only
            the image can tell. Raises DataError when the row lacks something.
        images: Row and index -> the row's raw images, in the order the question refers to them.
        prompts_per_row: Questions that one row of the data holds (ViLP: 3).
        clusters: All ids in order -> the cluster of each row; None when a row knows its own.
    """

    columns: tuple[tuple[str, ...], ...]
    question: Callable[[Row, int], Sample]
    images: Callable[[Row, int], list[object]]
    prompts_per_row: int = 1
    clusters: Callable[[Sequence[object]], list[str]] | None = None


def text_of(row: Row, column: str) -> str:
    """The column as text, or "" when it is empty.

    >>> text_of({"question": " How many? "}, "question"), text_of({"question": None}, "question")
    (' How many? ', '')
    """
    value = row.get(column)
    return "" if value is None else str(value)


def gold_of(row: Row, column: str = "answer") -> str:
    r"""The gold answer as the data set writes it; marks such as 5' and 12" stay.

    Raises:
        DataError: It is empty. A question is never graded against nothing.

    >>> gold_of({"answer": 0}), gold_of({"answer": "5' 12\""})
    ('0', '5\' 12"')
    """
    # `row[column] or ""` would turn the number 0 into no answer at all.
    gold = text_of(row, column).strip()
    if not gold:
        raise DataError(f"its gold answer ({column}) is empty")
    return gold


def id_of(row: Row, column: str, index: int) -> str:
    """The row's own id, or its number where the data has none.

    >>> id_of({"pid": 12}, "pid", 3), id_of({}, "pid", 3)
    ('12', '3')
    """
    return text_of(row, column) or str(index)


def listed(row: Row, column: str) -> tuple[str, ...]:
    """A column that holds a list, or a Python list written as text, as texts.

    Raises:
        DataError: The text is no list.

    >>> listed({"options": "['a cat', 'two']"}, "options"), listed({"choices": None}, "choices")
    (('a cat', 'two'), ())
    """
    value = row.get(column)
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        try:
            # literal_eval reads literals only; the limit keeps its recursion shallow.
            value = ast.literal_eval(value[:LONGEST_LIST])
        except (ValueError, SyntaxError) as error:
            raise DataError(f"its {column} is no list: {value[:60]!r}") from error
    if not isinstance(value, list | tuple):
        raise DataError(f"its {column} is no list: {str(value)[:60]!r}")
    return tuple(str(item) for item in value)


def is_image_column(name: str) -> bool:
    """Whether a column of this name holds images in one of the nine benchmarks.

    >>> [n for n in ("image", "images", "image_10", "image2", "decoded_image", "img_type")
    ...  if is_image_column(n)]
    ['image', 'images', 'image_10', 'image2', 'decoded_image']
    """
    return IMAGE_COLUMN.fullmatch(name) is not None


def numbered_images(row: Row) -> list[object]:
    """The images of image_1, image_2, ... in numeric order; empty columns at the end are left out.

    Raises:
        DataError: There is a gap, so that ``<image n>`` would name another image.

    >>> numbered_images({"image_10": None, "image_2": "b", "image_1": "a", "question": "?"})
    ['a', 'b']
    """
    # As text, image_10 comes before image_2.
    found = {
        int(match[1]): row[name]
        for name in row
        if (match := re.fullmatch(r"image_(\d+)", name)) and row[name] is not None
    }
    if sorted(found) != list(range(1, len(found) + 1)):
        raise DataError(f"its images are numbered {sorted(found)}, with a gap")
    return [found[number] for number in sorted(found)]


def as_list(value: object) -> list[object]:
    """A cell that holds a list of images, or one image, as a list.

    >>> as_list(["a", None]), as_list("a"), as_list(None)
    (['a'], ['a'], [])
    """
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [item for item in value if item is not None]
    return [value]


def column_images(column: str) -> Callable[[Row, int], list[object]]:
    """A reader of the images in one column, a list or a single image."""

    def images(row: Row, index: int) -> list[object]:
        return as_list(row.get(column))

    return images
