"""The toy world: what there is, how it usually looks, how a picture of it is drawn. No files, no model.

Eight objects, each with a usual colour and a usual number. A picture shows one kind of object, in
one colour, one to four times; whether that is the usual look is decided by whoever draws it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Aspect = Literal["color", "number"]
ASPECTS: tuple[Aspect, ...] = ("color", "number")

COLORS = {
    "red": (255, 30, 30), "green": (30, 205, 30), "blue": (30, 60, 255), "yellow": (255, 240, 30),
    "purple": (150, 30, 180), "orange": (255, 140, 15), "white": (255, 255, 255),
    "black": (10, 10, 10),
}  # fmt: skip
NUMBERS = ("1", "2", "3", "4")
PRIORS = {
    "banana": ("yellow", "3"), "tomato": ("red", "2"), "lemon": ("yellow", "1"),
    "plum": ("purple", "4"), "carrot": ("orange", "3"), "raven": ("black", "1"),
    "cloud": ("white", "2"), "leaf": ("green", "4"),
}  # fmt: skip
OBJECTS = tuple(PRIORS)
# Seven cells by seven; one cell is four pixels, so that an object fills one image token's 28 pixels.
SPRITES = {
    "banana": (".....##", ".....##", "....###", "...###.", "..####.", "#####..", ".###..."),
    "tomato": ("..###..", ".#####.", "#######", "#######", "#######", ".#####.", "..###.."),
    "lemon": (".......", "..###..", ".#####.", "#######", ".#####.", "..###..", "......."),
    "plum": ("...#...", "..#....", ".####..", "######.", "######.", ".####..", "......."),
    "carrot": ("#.#.#..", ".###...", "#####..", ".####..", "..####.", "...###.", ".....##"),
    "raven": ("......#", "##...##", "###.##.", ".#####.", "..####.", "..#.#..", ".##.##."),
    "cloud": (".......", "..##...", ".####..", "######.", "#######", "#######", "......."),
    "leaf": ("......#", "..####.", ".#####.", "###.##.", "##.##..", "####...", "#......"),
}
CELL = 4
SIDE = 56
GRAY = 128.0
FAINTEST = 0.02
CLEAR = 0.3
STRONGEST = 0.9


@dataclass(frozen=True)
class Scene:
    """What one picture shows.

    Attributes:
        object: One of `OBJECTS`.
        color: One of `COLORS`.
        number: How often the object stands in the picture, ``1`` to ``4``.
        saturation: How clearly the colour shows, fraction in [0, 1]; below 0.3 it is ambiguous.
    """

    object: str
    color: str
    number: str
    saturation: float = STRONGEST

    def value(self, aspect: Aspect) -> str:
        """The colour or the number.

        >>> Scene("lemon", "blue", "2").value("color")
        'blue'
        """
        return self.color if aspect == "color" else self.number

    def with_value(self, aspect: Aspect, value: str) -> Scene:
        """The same scene in another colour or number."""
        if aspect == "color":
            return replace(self, color=value)
        return replace(self, number=value)


def prior(thing: str, aspect: Aspect) -> str:
    """What an object usually is.

    >>> prior("lemon", "color"), prior("lemon", "number")
    ('yellow', '1')
    """
    return PRIORS[thing][ASPECTS.index(aspect)]


def values(aspect: Aspect) -> tuple[str, ...]:
    """Every colour, or every number."""
    return tuple(COLORS) if aspect == "color" else NUMBERS


def usual(thing: str) -> Scene:
    """The object as it usually looks.

    >>> usual("lemon")
    Scene(object='lemon', color='yellow', number='1', saturation=0.9)
    """
    color, number = PRIORS[thing]
    return Scene(thing, color, number)


def random_scene(
    rng: np.random.Generator, *, aligned: float | None, faintest: float = FAINTEST
) -> Scene:
    """A scene drawn at random.

    Args:
        rng: Source of randomness.
        aligned: Chance that the colour, and independently the number, is the usual one; another
            value is drawn evenly from the rest. None draws every value evenly: no prior at all.
        faintest: Smallest saturation.
    """
    scene = usual(str(rng.choice(OBJECTS)))
    for aspect in ASPECTS:
        if aligned is None:
            scene = scene.with_value(aspect, str(rng.choice(values(aspect))))
        elif rng.random() >= aligned:
            scene = unusual(scene, aspect, rng)
    return replace(scene, saturation=float(rng.uniform(faintest, STRONGEST)))


def unusual(scene: Scene, aspect: Aspect, rng: np.random.Generator) -> Scene:
    """The scene with a colour or number that its object usually does not have."""
    others = [value for value in values(aspect) if value != prior(scene.object, aspect)]
    return scene.with_value(aspect, str(rng.choice(others)))


def drawn(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The picture: RGB, 56 x 56 pixels, one object per quadrant; places and noise from `rng`."""
    sprite = np.array([[cell == "#" for cell in line] for line in SPRITES[scene.object]])
    stamp = np.kron(sprite, np.ones((CELL, CELL)))
    half = SIDE // 2
    mask = np.zeros((SIDE, SIDE, 1))
    for place in rng.permutation(4)[: int(scene.number)]:
        top, left = half * (int(place) // 2), half * (int(place) % 2)
        mask[top : top + half, left : left + half, 0] = stamp
    tint = scene.saturation * (np.array(COLORS[scene.color]) - GRAY) + rng.normal(0, 12, 3)
    # A darker rim keeps gray objects visible on the gray ground: shape is never ambiguous.
    pixels: NDArray[np.float64] = GRAY + mask * tint - 40 * _rim(mask)
    pixels += rng.normal(0, 10, (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _rim(mask: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels of the mask that touch its outside, (56, 56, 1) of 0 and 1."""
    padded = np.pad(mask, ((1, 1), (1, 1), (0, 0)))
    inside = padded[:-2, 1:-1] * padded[2:, 1:-1] * padded[1:-1, :-2] * padded[1:-1, 2:]
    return np.asarray(mask * (1 - inside))
