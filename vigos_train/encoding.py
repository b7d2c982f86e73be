"""Contexts and images -> token ids and pixel tensors, each image processed once. No model here.

The processor called on text and image together would process a row's images anew for each of
its contexts; here the images are processed once and every context's image marks are expanded
from the same grid. The ids equal the processor's own (a test).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vigos_eval.engines.rendering import prompt_text
from vigos_eval.errors import DataError
from vigos_eval.types import EncodedImage, Prompt
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


NO_IMAGES = ImageInputs(torch.zeros(0, 0), torch.zeros(0, 3, dtype=torch.long))


def image_inputs(processor: Any, images: Sequence[Any]) -> ImageInputs:
    """Pixel patches and grids of one row's decoded images (PIL, RGB); called once per row.

    Raises:
        DataError: The checkpoint's image processor refuses an image (too long and thin).
    """
    if not images:
        return NO_IMAGES
    try:
        made = processor.image_processor(images=list(images), return_tensors="pt")
    except ValueError as error:
        raise DataError(f"the image processor refuses an image ({error})") from error
    return ImageInputs(made["pixel_values"], made["image_grid_thw"])


def as_prompt(context: Context, images: tuple[EncodedImage, ...], key: str) -> Prompt:
    """The context as the prompt that an engine takes."""
    return Prompt(key, context.messages, images, context.prefill)


def context_ids(
    processor: Any, prompt: Prompt, grids: Tensor, chat_template: str | None = None
) -> tuple[int, ...]:
    """Token ids of a context: chat template, prefill, every image mark expanded to its tokens.

    Args:
        processor: The checkpoint's.
        prompt: The context (`as_prompt`).
        grids: `ImageInputs.grids` of the same images, in the order of the messages.
        chat_template: Jinja text; None takes the checkpoint's.

    Raises:
        ConfigError: The chat template fails.
        EngineError: The text does not show each image once.
    """
    text = prompt_text(prompt, processor, chat_template)
    before, *after = text.split(processor.image_token)
    merged = processor.image_processor.merge_size**2
    marks = [processor.image_token * int(grid.prod() // merged) for grid in grids]
    expanded = before + "".join(m + rest for m, rest in zip(marks, after, strict=True))
    return tuple(processor.tokenizer(expanded, add_special_tokens=False)["input_ids"])
