"""Prompt -> what a model reads: decoded images, templated text with the prefill, token ids.

Every engine goes through here, so that all ask the same thing. Nothing is generated here.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vigos_eval.errors import CheckpointError, ConfigError, DataError, PromptRefused
from vigos_eval.images import checked
from vigos_eval.types import EncodedImage, ImagePart, Prompt

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class ImageLimits:
    """How large an image may be when the model sees it.

    Attributes:
        min_pixels: Smallest area, pixels; None leaves it to the checkpoint.
        max_pixels: Largest area, pixels; None leaves it to the checkpoint.
        factor: Sides become multiples of it, pixels: patch size times merge size, 28 for
            Qwen2.5-VL and 32 for Qwen3-VL.
    """

    min_pixels: int | None = None
    max_pixels: int | None = None
    factor: int = 28

    def __post_init__(self) -> None:
        low, high = self.min_pixels, self.max_pixels
        for name, value in (("min_pixels", low), ("max_pixels", high)):
            if value is not None and value < self.factor**2:
                raise ConfigError(
                    f"{name}={value} is below one image token; use at least {self.factor**2}"
                )
        if low is not None and high is not None and low > high:
            raise ConfigError(f"min_pixels={low} is above max_pixels={high}; swap them")


def fitted_size(width: int, height: int, limits: ImageLimits) -> tuple[int, int]:
    """Width and height, pixels, that bring an image within explicit limits, its shape kept.

    Qwen's rule (`smart_resize` in qwen_vl_utils and in transformers' Qwen2-VL image processor):
    sides are rounded to multiples of `factor`, then scaled when the area is out of bounds. An
    image already within the limits keeps its size; the processor rounds it. A strip thinner than
    1 : 60 or so leaves that rule above its own limit (one factor is the thinnest side), and the
    processor then shrinks it once more, on every engine alike.

    >>> fitted_size(2000, 1000, ImageLimits(max_pixels=200_000))
    (616, 308)
    >>> fitted_size(300, 200, ImageLimits(max_pixels=200_000))
    (300, 200)
    >>> fitted_size(30, 20, ImageLimits(min_pixels=3136))
    (84, 56)
    """
    factor = limits.factor
    area = round(width / factor) * round(height / factor) * factor**2
    if limits.max_pixels is not None and area > limits.max_pixels:
        scale = math.sqrt(width * height / limits.max_pixels)
        sides = math.floor(width / scale / factor), math.floor(height / scale / factor)
    elif limits.min_pixels is not None and area < limits.min_pixels:
        scale = math.sqrt(width * height / limits.min_pixels)
        sides = math.ceil(width / scale / factor), math.ceil(height / scale / factor)
    else:
        return width, height
    return max(1, sides[0]) * factor, max(1, sides[1]) * factor


def decoded_image(image: EncodedImage, limits: ImageLimits, key: str) -> Image.Image:
    """The image as RGB, upright, transparent parts white, within explicit limits.

    Args:
        image: The stored bytes.
        limits: See `fitted_size`.
        key: The prompt's key, for the message.

    Raises:
        PromptRefused: The bytes are no image, or one whose decoding would exhaust memory.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        # TRAP: lmms-eval lets Pillow fill torn files with grey, for the whole process.
        checked(image.data)
        with Image.open(io.BytesIO(image.data)) as opened:
            upright = ImageOps.exif_transpose(opened)
            if upright.has_transparency_data:
                # White, as qwen_vl_utils and vLLM do; dropping alpha turns line art black on black.
                layer = upright.convert("RGBA")
                upright = Image.new("RGB", layer.size, "white")
                upright.paste(layer, mask=layer.getchannel("A"))
            rgb = upright.convert("RGB")
    except (
        DataError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        ValueError,
        SyntaxError,
    ) as error:
        raise PromptRefused(
            key,
            f"prompt {key}: image {image.sha256[:12]} cannot be decoded ({error}); mend the row, "
            "or pass skip_bad_rows=true",
        ) from error
    size = fitted_size(rgb.width, rgb.height, limits)
    return rgb if size == rgb.size else rgb.resize(size, Image.Resampling.BICUBIC)


def decoded_images(prompt: Prompt, limits: ImageLimits) -> list[Image.Image]:
    """The prompt's images in the order in which its messages show them.

    Raises:
        PromptRefused: An image cannot be decoded, has no place in the messages, or has two.
    """
    places = [part.index for message in prompt.messages for part in message.parts
              if isinstance(part, ImagePart)]  # fmt: skip
    if sorted(places) != list(range(len(prompt.images))):
        raise PromptRefused(
            prompt.key,
            f"prompt {prompt.key}: {len(prompt.images)} images, but the messages show "
            f"{places or 'none'}; every image must stand in the text exactly once",
        )
    return [decoded_image(prompt.images[index], limits, prompt.key) for index in places]


def conversation(prompt: Prompt) -> list[dict[str, Any]]:
    """The messages in the form that chat templates take; images are placeholders.

    >>> from vigos_eval.types import Message, TextPart
    >>> conversation(Prompt("k", (Message("user", (ImagePart(0), TextPart("Why?"))),)))
    [{'role': 'user', 'content': [{'type': 'image'}, {'type': 'text', 'text': 'Why?'}]}]
    """
    return [
        {
            "role": message.role,
            "content": [
                {"type": "image"}
                if isinstance(part, ImagePart)
                else {"type": "text", "text": part.text}
                for part in message.parts
            ],
        }
        for message in prompt.messages
    ]


def prompt_text(prompt: Prompt, processor: Any, chat_template: str | None = None) -> str:
    """The conversation through the chat template, the assistant's turn opened with the prefill.

    Args:
        prompt: What to ask.
        processor: A transformers processor.
        chat_template: Jinja text; None takes the checkpoint's.

    Raises:
        ConfigError: The checkpoint has no chat template, or the template does not compile.
        PromptRefused: The text would not show each image once.
    """
    from jinja2 import TemplateError

    try:
        opened: str = processor.apply_chat_template(
            conversation(prompt),
            chat_template=chat_template,
            add_generation_prompt=True,
            tokenize=False,
        )
    except (TemplateError, ValueError) as error:
        raise ConfigError(
            f"the chat template fails ({error}); pass chat_template=FILE.jinja"
        ) from error
    # The mark is the checkpoint's own word for "one image here" (Qwen: <|image_pad|>).
    if (shown := opened.count(processor.image_token)) != len(prompt.images):
        raise PromptRefused(
            prompt.key,
            f"prompt {prompt.key}: {len(prompt.images)} images, but the templated text shows "
            f"{shown}; either the chat template drops images or the question itself holds "
            f"{processor.image_token!r}",
        )
    # Not the template's continue_final_message: some templates strip or close the last turn.
    return opened + prompt.prefill


def model_inputs(
    prompt: Prompt, processor: Any, limits: ImageLimits, chat_template: str | None = None
) -> Mapping[str, Any]:
    """What a transformers forward pass takes: input_ids (1, tokens), pixel values, token types.

    No special tokens are added: the template has written them all.

    Raises:
        ConfigError: See `prompt_text`.
        PromptRefused: See `prompt_text` and `decoded_images`, or an image too long and thin.
    """
    text = prompt_text(prompt, processor, chat_template)
    images = decoded_images(prompt, limits)
    try:
        inputs: Mapping[str, Any] = processor(
            text=[text], images=images or None, add_special_tokens=False, return_tensors="pt"
        )
    except ValueError as error:
        raise PromptRefused(
            prompt.key,
            f"prompt {prompt.key}: the checkpoint's processor refuses it ({error}); mend the row, "
            "or pass skip_bad_rows=true",
        ) from error
    return inputs


def load_processor(folder: str, limits: tuple[int | None, int | None], is_trusted: bool) -> Any:
    """The checkpoint's processor with explicit image limits put in.

    Args:
        folder: The full checkpoint.
        limits: min_pixels and max_pixels; None leaves the checkpoint's.
        is_trusted: Code from the checkpoint may run.

    Raises:
        CheckpointError: It does not load.
        ConfigError: Limits were given but this processor knows none.
    """
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=is_trusted)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{folder}: the processor does not load ({error}); copy its files from the model it "
            "was trained from"
        ) from error
    size = dict(processor.image_processor.size)
    for name, edge, value in zip(
        ("min_pixels", "max_pixels"), ("shortest_edge", "longest_edge"), limits, strict=True
    ):
        if value is None:
            continue
        if edge not in size:
            raise ConfigError(f"{name}={value}: {folder} has no such image limit; leave it out")
        size[edge] = value
    processor.image_processor.size = size
    return processor


def image_limits(processor: Any, min_pixels: int | None, max_pixels: int | None) -> ImageLimits:
    """The explicit limits with the factor that the checkpoint's image processor rounds to.

    Raises:
        ConfigError: The limits contradict each other.
    """
    images = processor.image_processor
    return ImageLimits(min_pixels, max_pixels, images.patch_size * images.merge_size)
