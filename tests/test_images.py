"""Images stay the bytes they were; what cannot be read from head to end is an error."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from vigos_eval.errors import DataError
from vigos_eval.images import decoded, encoded

NOISE = Image.effect_noise((64, 48), 60).convert("RGB")


def as_bytes(image: Image.Image, suffix: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, suffix)
    return buffer.getvalue()


JPEG = as_bytes(NOISE, "JPEG")


@pytest.fixture(params=["bytes", "bytearray", "dict-bytes", "dict-path", "path", "str"])
def cell(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """The same JPEG in every dress a row may hold it in."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    return {
        "bytes": JPEG,
        "bytearray": bytearray(JPEG),
        "dict-bytes": {"bytes": JPEG, "path": "the/authors/disk.jpg"},
        "dict-path": {"bytes": None, "path": str(path)},
        "path": path,
        "str": str(path),
    }[request.param]


def test_stored_bytes_are_kept_as_they_are(cell: object) -> None:
    image = encoded(cell)
    assert image.data == JPEG
    assert image.sha256 == hashlib.sha256(JPEG).hexdigest()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_picture_is_encoded_without_loss(mode: str) -> None:
    picture = (
        NOISE.convert("L").convert("I").convert("I;16") if mode == "I;16" else NOISE.convert(mode)
    )
    image = encoded(picture)
    with Image.open(io.BytesIO(image.data)) as again:
        assert again.mode == mode
        assert again.tobytes() == picture.tobytes()


def test_the_same_picture_has_the_same_hash() -> None:
    assert encoded(NOISE).sha256 == encoded(NOISE.copy()).sha256
    assert encoded(NOISE).sha256 != encoded(NOISE.rotate(180)).sha256


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_a_mode_that_png_lacks_becomes_rgb(mode: str) -> None:
    assert decoded(encoded(NOISE.convert(mode))).mode == "RGB"


@pytest.mark.parametrize("is_lenient", [False, True])
@pytest.mark.parametrize("suffix", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_torn_file_is_never_asked_about(
    suffix: str, is_lenient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # lmms-eval sets this flag for the whole process: Pillow then fills what is missing with grey.
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", is_lenient)
    data = as_bytes(NOISE, suffix)
    assert encoded(data).data == data
    with pytest.raises(DataError, match="cannot be read"):
        encoded(data[: len(data) * 2 // 3])
    assert is_lenient is ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_jpeg_with_bytes_behind_its_end_is_whole() -> None:
    assert encoded(JPEG + b"camera maker's note").data.startswith(JPEG)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", r"\(0 bytes\) cannot be read"),
        (b"<html>not found</html>", "no known image format"),
        ({"bytes": None, "path": None}, "neither bytes nor a path"),
        ("no/such/file.png", "'no/such/file.png' cannot be read"),
        ("nul\0byte", "cannot be read"),
        (17, "its image is a int"),
        (None, "its image is a NoneType"),
    ],
)
def test_what_is_no_image_says_so(raw: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        encoded(raw)


def test_a_decompression_bomb_is_refused() -> None:
    bomb = as_bytes(Image.new("1", (20_000, 20_000)), "PNG")
    with pytest.raises(DataError, match="cannot be read.*pixels"):
        encoded(bomb)


def test_transparent_pixels_are_white() -> None:
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    assert decoded(encoded(clear)).getpixel((0, 0)) == (255, 255, 255)
