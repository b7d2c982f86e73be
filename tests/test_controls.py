"""Shortcut controls: the image goes, the question stays, and nothing can be mistaken for a score."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import pytest
from PIL import Image

from vigos_eval.controls import blind, shuffled
from vigos_eval.errors import DataError
from vigos_eval.types import AnswerKind, EncodedImage, Sample


def picture(colour: str, size: tuple[int, int] = (40, 30)) -> EncodedImage:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return EncodedImage(buffer.getvalue(), hashlib.sha256(buffer.getvalue()).hexdigest())


def sample(row: int, *images: EncodedImage) -> Sample:
    return Sample(
        "mmmu", "paper", f"q{row}", "What?", "A", AnswerKind.CHOICE, f"c{row}", ("a", "b"), images
    )


def test_blind_greys_every_image_and_keeps_its_size() -> None:
    seen = sample(0, picture("red"), picture("blue", (7, 9)))
    greyed = blind(seen)
    sizes = []
    for image in greyed.images:
        with Image.open(io.BytesIO(image.data)) as opened:
            sizes.append(opened.size)
            assert opened.getextrema() == ((128, 128),) * 3
        assert image.sha256 == hashlib.sha256(image.data).hexdigest()
    assert sizes == [(40, 30), (7, 9)]
    assert (greyed.question, greyed.gold, greyed.cluster) == (
        seen.question,
        seen.gold,
        seen.cluster,
    )


def test_shuffled_lends_as_many_images_as_the_question_had() -> None:
    two = sample(0, picture("red"), picture("blue"))
    lent = shuffled(two, sample(1, picture("green")))
    assert [image.sha256 for image in lent.images] == [picture("green").sha256] * 2
    assert lent.id == "q0"


def rows_of(*colours: str) -> Callable[[int], Sample]:
    return lambda index: sample(index, picture(colours[index]))


def test_the_shuffled_control_never_lends_the_same_image() -> None:
    from vigos_eval.model import controlled

    sample_at = rows_of("red", "red", "red", "green")
    for row in range(3):
        lent = controlled(sample_at, row, 4, "shuffled")
        assert lent.images[0].sha256 == picture("green").sha256


def test_a_task_with_one_image_cannot_be_shuffled() -> None:
    from vigos_eval.model import controlled

    with pytest.raises(DataError, match="no other row of mmmu has another image"):
        controlled(rows_of("red", "red"), 0, 2, "shuffled")


def test_without_a_control_the_image_is_the_rows_own() -> None:
    from vigos_eval.model import controlled

    assert controlled(rows_of("red", "blue"), 0, 2, None).images[0].sha256 == picture("red").sha256
