"""Drawn rows (a coloured shape, its colour asked) for a run that needs no data. No files."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from vigos_eval.types import EncodedImage
from vigos_train.rows import Row

COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 160, 60),
    "blue": (40, 70, 210),
    "yellow": (235, 200, 30),
}
SHAPES = ("square", "circle", "triangle")
SIDE = 56  # pixels: four patches of 28, the smallest image the tiny checkpoint takes


@dataclass(frozen=True)
class ShapeRows:
    """`count` rows, drawn when taken; every number always gives the same row."""

    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Row:
        if not 0 <= index < self.count:
            raise IndexError(index)
        colour = list(COLOURS)[index % len(COLOURS)]
        shape = SHAPES[index // len(COLOURS) % len(SHAPES)]
        data = _drawn(colour, shape, index)
        image = EncodedImage(data, hashlib.sha256(data).hexdigest())
        return Row(str(index), f"What color is the {shape}?", colour, (image,))


def shape_rows(count: int) -> ShapeRows:
    """The first `count` drawn rows.

    >>> shape_rows(5)[4].problem, shape_rows(5)[4].answer
    ('What color is the circle?', 'red')
    """
    return ShapeRows(count)


def _drawn(colour: str, shape: str, index: int) -> bytes:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(picture)
    # The place moves with the number, so rows of one kind are not one image.
    left, top = 4 + index // 12 % 5, 4 + index // 60 % 5
    box = (left, top, left + 40, top + 40)
    fill = COLOURS[colour]
    if shape == "square":
        pen.rectangle(box, fill=fill)
    elif shape == "circle":
        pen.ellipse(box, fill=fill)
    else:
        pen.polygon([(left, top + 40), (left + 40, top + 40), (left + 20, top)], fill=fill)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
