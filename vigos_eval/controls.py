"""Shortcut controls: the same question with its image taken away or exchanged. Diagnostics only.

A score under a control says how much of the real score survives without looking.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

from vigos_eval.types import EncodedImage, Sample


def blind(sample: Sample) -> Sample:
    """The sample with every image replaced by a grey one of the same size."""
    return replace(sample, images=tuple(_grey(image) for image in sample.images))


def shuffled(sample: Sample, other: Sample) -> Sample:
    """The sample with the images of another question, as many as it had.

    Raises:
        ValueError: The other question has no image.
    """
    if not other.images:
        raise ValueError(f"{other.id} has no image to lend")
    count = len(other.images)
    return replace(sample, images=tuple(other.images[i % count] for i in range(len(sample.images))))


def _grey(image: EncodedImage) -> EncodedImage:
    from PIL import Image

    with Image.open(io.BytesIO(image.data)) as opened:
        size = opened.size  # the header only: nothing is decoded
    buffer = io.BytesIO()
    Image.new("RGB", size, (128, 128, 128)).save(buffer, format="PNG")
    data = buffer.getvalue()
    return EncodedImage(data, hashlib.sha256(data).hexdigest())
