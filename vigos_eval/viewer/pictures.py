"""The images of a page: thumbnails, and full sizes inline or in a folder beside the page.

Image files and their names come out of a data set and are not trusted: names that are no hash
are not opened, only common raster formats are decoded, and what cannot be read is shown as such.
"""

from __future__ import annotations

import base64
import io
import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image, ImageOps

from vigos_eval.records import ImageRef

INLINE_LIMIT_BYTES = 30_000_000
THUMBNAIL_PIXELS = 224
# Pillow knows more formats; some of them start other programs (EPS) or are rarely tested.
DECODED_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
# What every browser shows, by Pillow's name of the format; the rest is stored as PNG for the page.
SHOWN_FORMATS = {
    "PNG": (".png", "image/png"),
    "JPEG": (".jpg", "image/jpeg"),
    "MPO": (".jpg", "image/jpeg"),
    "GIF": (".gif", "image/gif"),
    "WEBP": (".webp", "image/webp"),
    "BMP": (".bmp", "image/bmp"),
}
SAFE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp"})
NOT_KEPT = "image was not kept in the run folder"


@dataclass(frozen=True)
class Picture:
    """One image of the page.

    Attributes:
        width: Pixels, as shown (EXIF turned); 0 when there is no image.
        height: Pixels.
        thumbnail: ``data:`` URL or relative URL; "" when there is none.
        full: ``data:`` URL or relative URL; "" when there is none.
        fault: Why there is no image, for people; "" when there is one.
    """

    width: int
    height: int
    thumbnail: str
    full: str
    fault: str = ""


@dataclass(frozen=True)
class _Decoded:
    path: Path
    format: str
    width: int
    height: int
    thumbnail: bytes
    size: int


def pictures(
    refs: Sequence[ImageRef],
    folders: Iterable[Path],
    page: Path,
    inline_limit: int = INLINE_LIMIT_BYTES,
    seen: Callable[[int], None] = lambda count: None,
) -> list[Picture]:
    """The pictures of a page, in the order of `refs`.

    Up to `inline_limit` bytes all images are inline. Above it the full sizes are files: those of
    a run folder the page lies in, where they are, others copied to ``<page>_images``. If the
    thumbnails alone pass the limit they go there too.

    Args:
        refs: Images of the questions.
        folders: Run folders to look in, first find wins.
        page: The HTML file that will show them.
        inline_limit: Bytes of images that may be inside the page.
        seen: Told how many images were read, for a progress bar.
    """
    roots = [folder / "images" for folder in folders]
    found: list[_Decoded | str] = []
    # Pillow decodes outside the interpreter lock, so threads use all cores.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for decoded in pool.map(lambda ref: _decoded(ref, roots), refs):
            found.append(decoded)
            seen(len(found))
    kept = [entry for entry in found if isinstance(entry, _Decoded)]
    thumbnail_bytes = sum(len(entry.thumbnail) for entry in kept)
    inline_thumbnails = thumbnail_bytes <= inline_limit
    inline_full = thumbnail_bytes + sum(entry.size for entry in kept) <= inline_limit
    side = page.parent / f"{page.stem}_images"
    shown: list[Picture] = []
    for entry in found:
        if isinstance(entry, str):
            shown.append(Picture(0, 0, "", "", entry))
            continue
        if inline_thumbnails:
            thumbnail = _data_url("image/webp", entry.thumbnail)
        else:
            thumbnail = _side_file(side, f"{entry.path.stem}.small.webp", entry.thumbnail)
        full = _inline(entry) if inline_full else _beside(entry, page, side)
        shown.append(Picture(entry.width, entry.height, thumbnail, full))
    return shown


def image_path(ref: ImageRef, roots: Iterable[Path]) -> Path | None:
    """The image's file, or None; a name that is no hash is never opened.

    >>> image_path(ImageRef("../../etc/passwd", ""), [Path("images")]) is None
    True
    """
    if not re.fullmatch(r"[0-9a-f]{64}", ref.sha256):
        return None
    if not re.fullmatch(r"(\.[A-Za-z0-9]{1,8})?", ref.suffix):
        return None
    for root in roots:
        path = root / f"{ref.sha256}{ref.suffix}"
        if path.is_file():
            return path
    return None


def _decoded(ref: ImageRef, roots: Sequence[Path]) -> _Decoded | str:
    """The image with its thumbnail, or why there is none."""
    path = image_path(ref, roots)
    if path is None:
        return NOT_KEPT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=DECODED_FORMATS) as image:
                stored_format = image.format or "PNG"
                # JPEG decodes at an eighth of its size when that is enough: ten times faster.
                width, height = _shown_size(image)
                image.draft("RGB", (THUMBNAIL_PIXELS * 2, THUMBNAIL_PIXELS * 2))
                small = ImageOps.exif_transpose(image)
                small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
                has_alpha = small.mode in ("RGBA", "LA", "PA") or "transparency" in small.info
                small = small.convert("RGBA" if has_alpha else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"image cannot be read: {error}".replace(str(path), path.name)
    stored = io.BytesIO()
    small.save(stored, "WEBP", quality=74, method=2)
    size = path.stat().st_size
    return _Decoded(path, stored_format, width, height, stored.getvalue(), size)


def _shown_size(image: Image.Image) -> tuple[int, int]:
    turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    width, height = image.size
    return (height, width) if turned else (width, height)


def _shown_bytes(entry: _Decoded) -> bytes:
    if entry.format in SHOWN_FORMATS:
        return entry.path.read_bytes()
    converted = io.BytesIO()
    with Image.open(entry.path, formats=DECODED_FORMATS) as image:
        image.convert("RGBA").save(converted, "PNG")
    return converted.getvalue()


def _inline(entry: _Decoded) -> str:
    _, mime = SHOWN_FORMATS.get(entry.format, SHOWN_FORMATS["PNG"])
    return _data_url(mime, _shown_bytes(entry))


def _beside(entry: _Decoded, page: Path, side: Path) -> str:
    """Relative URL of the full image: where it lies below the page, else a copy in `side`."""
    is_shown = entry.format in SHOWN_FORMATS and entry.path.suffix.lower() in SAFE_SUFFIXES
    if is_shown and entry.path.parent.resolve() == (page.parent / "images").resolve():
        return quote(f"images/{entry.path.name}")
    suffix, _ = SHOWN_FORMATS.get(entry.format, SHOWN_FORMATS["PNG"])
    return _side_file(side, f"{entry.path.stem}{suffix}", _shown_bytes(entry))


def _side_file(side: Path, name: str, content: bytes) -> str:
    side.mkdir(exist_ok=True)
    target = side / name
    if not target.is_file() or target.stat().st_size != len(content):
        target.write_bytes(content)
    return quote(f"{side.name}/{name}")


def _data_url(mime: str, content: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
