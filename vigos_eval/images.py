"""Images as the bytes they were stored in, named by their hash. Never kept decoded, never sent away.

Decoding is an engine's work, once per prompt inside its window: 4,000 decoded photos do not fit
into memory, their JPEG bytes do.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vigos_eval.errors import DataError
from vigos_eval.types import EncodedImage

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

JPEG, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PNG, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
# Modes a PNG stores without loss; anything else (CMYK, YCbCr, float) becomes RGB.
PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})

_strict = threading.Lock()


def encoded(raw: object) -> EncodedImage:
    """An image cell of a row as encoded bytes, checked to be readable.

    Takes bytes, ``{"bytes": ..., "path": ...}``, a path, or a PIL image (written anew as PNG,
    without loss).

    Raises:
        DataError: It is nothing of these, or no image can be read from it.

    >>> encoded(b"no image")
    Traceback (most recent call last):
    ...
    vigos_eval.errors.DataError: its image (8 bytes) cannot be read: no known image format
    """
    return checked(image_bytes(raw))


def image_bytes(raw: object) -> bytes:
    """The stored bytes of an image cell.

    Raises:
        DataError: The cell holds no image, or names a file that cannot be read.
    """
    if isinstance(raw, bytes | bytearray | memoryview):
        return bytes(raw)
    if isinstance(raw, str | Path):
        try:
            return Path(raw).read_bytes()
        except (OSError, ValueError) as error:
            raise DataError(f"its image file {str(raw)[:200]!r} cannot be read: {error}") from error
    if isinstance(raw, Mapping):
        # Both may be set: the path then is only the file's name at its author's.
        if raw.get("bytes") is not None:
            return image_bytes(raw["bytes"])
        if raw.get("path"):
            return image_bytes(raw["path"])
        raise DataError("its image has neither bytes nor a path")
    if hasattr(raw, "save") and hasattr(raw, "mode"):
        return _png_bytes(raw)
    raise DataError(f"its image is a {type(raw).__name__}; known: PIL image, bytes, dict, path")


def checked(data: bytes) -> EncodedImage:
    """The bytes as an image, if they are one from head to end.

    A whole JPEG or PNG ends with its end mark, so only suspicious files are decoded. Pillow
    itself would not notice a torn file here: lmms-eval sets ``LOAD_TRUNCATED_IMAGES`` for the
    whole process, and the missing part would be asked about as a grey area.

    Raises:
        DataError: They cannot be read as an image, or are torn.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            if not _is_whole(data):
                _decode_once(image)
    except UnidentifiedImageError as error:
        raise DataError(
            f"its image ({len(data)} bytes) cannot be read: no known image format"
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"its image ({len(data)} bytes) cannot be read: {error}") from error
    return EncodedImage(data, hashlib.sha256(data).hexdigest())


def decoded(image: EncodedImage) -> PilImage:
    """The image's pixels, in RGB. Transparent pixels are put on white, as a reader sees them.

    >>> from PIL import Image
    >>> decoded(encoded(Image.new("L", (3, 2)))).size
    (3, 2)
    """
    from PIL import Image

    with Image.open(io.BytesIO(image.data)) as opened:
        opened.load()
        if opened.mode in ("RGBA", "LA") or "transparency" in opened.info:
            clear = opened.convert("RGBA")
            white = Image.new("RGBA", clear.size, "white")
            return Image.alpha_composite(white, clear).convert("RGB")
        return opened.convert("RGB")


def _is_whole(data: bytes) -> bool:
    if data.startswith(JPEG):
        return data.rstrip(b"\0\n\r ").endswith(JPEG_END)
    return data.startswith(PNG) and data.endswith(PNG_END)


def _decode_once(image: PilImage) -> None:
    """Decode strictly and throw the pixels away.

    Raises:
        OSError: The file is torn.
    """
    from PIL import ImageFile

    # A flag of the process: while it is off, another thread's decoding is strict too, no worse.
    with _strict:
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            image.load()
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def _png_bytes(raw: object) -> bytes:
    from PIL import Image

    if not isinstance(raw, Image.Image):
        raise DataError(f"its image is a {type(raw).__name__}; known: PIL image, bytes, dict, path")
    image = raw if raw.mode in PNG_MODES else raw.convert("RGB")
    buffer = io.BytesIO()
    # Level 1: the size does not matter here, a second per image does.
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
