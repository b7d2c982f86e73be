"""Small pictures for the sample data: charts, geometry, scenes, pages of text. Same input, same pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

INK = (40, 40, 48)
PAPER = (250, 250, 247)
COLORS = {
    "red": (208, 52, 44), "blue": (45, 95, 190), "green": (52, 140, 70), "yellow": (240, 190, 40),
    "purple": (130, 70, 160), "orange": (235, 130, 40), "black": (40, 40, 48), "gray": (150, 150, 150),
    "white": (255, 255, 255), "pink": (236, 150, 180), "brown": (130, 85, 50),
}  # fmt: skip
Object = tuple[str, str, float, float, float]
"""Shape, colour, centre x, centre y and radius; lengths as fractions of the width."""


def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font: no file of the machine is read."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return found


def blank(width: int = 240, height: int = 180) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty sheet."""
    sheet = Image.new("RGB", (width, height), PAPER)
    return sheet, ImageDraw.Draw(sheet)


def bar_chart(title: str, bars: Mapping[str, float]) -> Image.Image:
    """A bar chart with the values written on the bars."""
    sheet, pen = blank()
    pen.text((120, 12), title, INK, font(13), anchor="mm")
    highest = max(bars.values())
    step = 220 / len(bars)
    for place, ((name, value), color) in enumerate(
        zip(bars.items(), ("blue", "orange", "green", "purple", "red", "yellow"), strict=False)
    ):
        left = 14 + place * step
        top = 155 - 115 * value / highest
        pen.rectangle((left, top, left + step * 0.7, 155), COLORS[color])
        pen.text((left + step * 0.35, top - 7), f"{value:g}", INK, font(11), anchor="mm")
        pen.text((left + step * 0.35, 166), name, INK, font(11), anchor="mm")
    pen.line((10, 155, 232, 155), INK, 2)
    return sheet


def right_triangle(base: str, height: str, slope: str = "", text: str = "") -> Image.Image:
    """A right triangle with its sides labelled, and a line of text above."""
    sheet, pen = blank()
    pen.polygon([(50, 155), (190, 155), (50, 65)], (225, 235, 250), INK, 2)
    pen.rectangle((50, 143, 62, 155), None, INK, 1)
    pen.text((120, 167), base, INK, font(13), anchor="mm")
    pen.text((28, 108), height, INK, font(13), anchor="mm")
    pen.text((138, 98), slope, INK, font(13), anchor="mm")
    _wrapped(pen, text, (10, 8), 220, 12)
    return sheet


def circle_with_angle(angle: str, center: str = "O", text: str = "") -> Image.Image:
    """A circle with two radii and the angle between them labelled."""
    sheet, pen = blank()
    pen.ellipse((72, 72, 168, 168), None, INK, 2)
    for name, degrees in (("A", 20), ("B", 100)):
        x, y = math.cos(math.radians(degrees)), -math.sin(math.radians(degrees))
        pen.line((120, 120, 120 + 48 * x, 120 + 48 * y), COLORS["blue"], 2)
        pen.text((120 + 58 * x, 120 + 57 * y), name, INK, font(13), anchor="mm")
    pen.ellipse((117, 117, 123, 123), INK)
    pen.text((113, 131), center, INK, font(13), anchor="mm")
    pen.text((141, 101), angle, INK, font(13), anchor="mm")
    _wrapped(pen, text, (10, 8), 220, 12)
    return sheet


def scene(objects: Sequence[Object], width: int = 240, height: int = 180) -> Image.Image:
    """Coloured shapes on a sheet: circle, square, triangle, star."""
    sheet, pen = blank(width, height)
    for shape, color, x, y, radius in objects:
        _shape(pen, shape, COLORS[color], (x * width, y * width), radius * width)
    return sheet


def clock(hour: int, minute: int) -> Image.Image:
    """A clock face."""
    sheet, pen = blank(180, 180)
    pen.ellipse((20, 20, 160, 160), COLORS["white"], INK, 3)
    for number in range(1, 13):
        angle = math.radians(number * 30 - 90)
        spot = (90 + 58 * math.cos(angle), 90 + 58 * math.sin(angle))
        pen.text(spot, str(number), INK, font(12), anchor="mm")
    for turn, length, thick in ((hour % 12 + minute / 60) * 30, 30, 5), (minute * 6, 46, 3):
        angle = math.radians(turn - 90)
        pen.line((90, 90, 90 + length * math.cos(angle), 90 + length * math.sin(angle)), INK, thick)
    return sheet


def street(light: str, cars: int) -> Image.Image:
    """A street with a traffic light and some cars."""
    sheet, pen = blank()
    pen.rectangle((0, 110, 240, 180), (120, 120, 125))
    for left in range(5, 240, 40):
        pen.rectangle((left, 143, left + 20, 147), COLORS["white"])
    pen.rectangle((196, 60, 200, 112), INK)
    pen.rectangle((186, 12, 210, 64), INK)
    for place, name in enumerate(("red", "yellow", "green")):
        lit = COLORS[name] if name == light else (70, 70, 70)
        pen.ellipse((191, 15 + 16 * place, 205, 29 + 16 * place), lit)
    for place in range(cars):
        left = 10 + place * 44
        pen.rectangle((left, 120, left + 36, 134), COLORS["blue"])
        pen.rectangle((left + 7, 112, left + 28, 121), COLORS["blue"])
        for wheel in (left + 5, left + 23):
            pen.ellipse((wheel, 130, wheel + 9, 139), INK)
    return sheet


def page(text: str) -> Image.Image:
    """A question written out as a picture, as in MMMU-Pro's vision part."""
    sheet, pen = blank(300, 300)
    _wrapped(pen, text, (12, 12), 276, 13)
    return sheet


def beside(*pictures: Image.Image) -> Image.Image:
    """Pictures in one row."""
    width = sum(picture.width for picture in pictures)
    sheet = Image.new("RGB", (width, max(picture.height for picture in pictures)), PAPER)
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width
    return sheet


def under(*pictures: Image.Image) -> Image.Image:
    """Pictures in one column."""
    size = (max(picture.width for picture in pictures), sum(p.height for p in pictures))
    sheet = Image.new("RGB", size, PAPER)
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def _shape(
    pen: ImageDraw.ImageDraw,
    shape: str,
    color: tuple[int, int, int],
    center: tuple[float, float],
    radius: float,
) -> None:
    x, y = center
    if shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), color, INK)
    elif shape == "square":
        pen.rectangle((x - radius, y - radius, x + radius, y + radius), color, INK)
    else:
        corners = {"triangle": 3, "star": 10}[shape]
        spots = []
        for corner in range(corners):
            far = radius * (0.45 if shape == "star" and corner % 2 else 1.0)
            angle = math.radians(360 / corners * corner - 90)
            spots.append((x + far * math.cos(angle), y + far * math.sin(angle)))
        pen.polygon(spots, color, INK)


def _wrapped(
    pen: ImageDraw.ImageDraw, text: str, at: tuple[int, int], width: int, size: int
) -> None:
    left, top = at
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            if line and pen.textlength(f"{line} {word}", font(size)) > width:
                pen.text((left, top), line, INK, font(size))
                top, line = top + size + 3, word
            else:
                line = f"{line} {word}".strip()
        pen.text((left, top), line, INK, font(size))
        top += size + 3
