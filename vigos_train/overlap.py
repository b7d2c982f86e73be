"""Which images a benchmark holds: by their stored bytes, and by their pixels for copies encoded anew."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vigos_eval.engines.rendering import ImageLimits, decoded_image
from vigos_eval.errors import DataError, EngineError
from vigos_eval.records import completion_files, read_completions
from vigos_eval.types import EncodedImage

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"))


def pixel_hash(picture: Image.Image) -> str:
    """SHA-256 of an RGB image's size and pixels: a PNG made of a JPEG has the JPEG's.

    >>> from PIL import Image
    >>> pixel_hash(Image.new("RGB", (2, 1))) == pixel_hash(Image.new("RGB", (1, 2)))
    False
    """
    return sha256(f"{picture.width} {picture.height} ".encode() + picture.tobytes()).hexdigest()


def benchmark_images(place: Path) -> frozenset[str]:
    """SHA-256 of the bytes and of the pixels of every image of a benchmark.

    Args:
        place: A run folder, or a folder or file of the benchmark's data. A run that kept no
            images knows their bytes' hashes only.

    Raises:
        DataError: Nothing with images is there, or a table is damaged.
    """
    if place.is_dir() and completion_files(place):
        records = read_completions(place).values()
        stored = {image.sha256 for record in records for image in record.images}
        return frozenset(stored.union(_file_hashes(place / "images")))
    found = frozenset(_file_hashes(place))
    if not found:
        raise DataError(
            f"--against {place} holds no images; name a run folder, a folder of parquet, arrow or "
            "image files, or one such file"
        )
    return found


def _file_hashes(place: Path) -> Iterator[str]:
    files = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    for file in files:
        if file.suffix.lower() in IMAGE_SUFFIXES:
            yield from _hashes(file.read_bytes())
        elif file.suffix in (".parquet", ".arrow"):
            yield from _table_hashes(file)


def _table_hashes(file: Path) -> Iterator[str]:
    """Hashes of every image cell, whatever the columns are called.

    Raises:
        DataError: The file is damaged.
    """
    import pyarrow

    try:
        for batch in _batches(file):
            for column in batch.columns:
                for value in column.to_pylist():
                    yield from _cell_hashes(value)
    except pyarrow.ArrowInvalid as error:
        raise DataError(f"--against {file} cannot be read: {error}") from error


def _batches(file: Path) -> Iterator[Any]:
    import pyarrow.ipc
    import pyarrow.parquet

    if file.suffix == ".parquet":
        yield from pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=64)
    else:  # what save_to_disk writes
        with pyarrow.memory_map(str(file)) as stream:
            yield from pyarrow.ipc.open_stream(stream)


def _cell_hashes(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, bytes) and value:
        yield from _hashes(value)
    elif isinstance(value, list):
        for each in value:
            yield from _cell_hashes(each)


def _hashes(stored: bytes) -> Iterator[str]:
    """Of the bytes, and of the pixels where the bytes are an image that can be decoded."""
    own = sha256(stored).hexdigest()
    yield own
    try:
        yield pixel_hash(decoded_image(EncodedImage(stored, own), ImageLimits(), own))
    except EngineError:
        return
