"""Contexts and images -> token ids and pixel tensors, each image processed once. No model here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vigos_train.contexts import Context


@dataclass(frozen=True)
class ImageInputs:
    """The images of one row, ready for the vision tower.

    Attributes:
        pixels: Patches (patches, patch values), float32.
        grids: (images, 3): time, height and width in patches, int64.
    """

    pixels: Tensor
    grids: Tensor


def image_inputs(processor: Any, images: Sequence[Any]) -> ImageInputs:
    """Pixel patches and grids of one row's decoded images (PIL, RGB); called once per row."""
    raise NotImplementedError


def context_ids(processor: Any, context: Context, images: ImageInputs) -> tuple[int, ...]:
    """Token ids of a context: chat template, prefill, every image mark expanded to its tokens."""
    raise NotImplementedError
