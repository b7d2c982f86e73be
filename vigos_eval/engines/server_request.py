"""Prompt + Decoding -> the body of an OpenAI chat request. Replies are server_reply's subject."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any, Literal

from vigos_eval.engines.rendering import ImageLimits, decoded_image, fitted_size
from vigos_eval.types import Decoding, EncodedImage, ImagePart, Message, Prompt

Json = dict[str, Any]
SENT_AS_STORED = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Wording:
    """What every request of a run has in common.

    Attributes:
        model: The name the server lists.
        limits: Explicit image limits.
        chat_template: Jinja text; None leaves it to the server.
        dialect: ``full`` also sends the fields of vLLM and SGLang that switch off the sampling
            defaults of the checkpoint's generation_config (Qwen2.5-VL's holds a repetition
            penalty of 1.05) and ask for token ids; ``plain`` leaves them out.
    """

    model: str
    limits: ImageLimits
    chat_template: str | None = None
    dialect: Literal["full", "plain"] = "full"


def chat_request(prompt: Prompt, decoding: Decoding, wording: Wording) -> Json:
    """The JSON body of one chat completion request with n samples.

    A server numbers the children's seeds itself: vLLM gives sample i the seed ``seed + i``
    (vllm/v1/engine/parallel_sampling.py, `_get_child_sampling_params`).

    Raises:
        EngineError: An image cannot be decoded.

    >>> from vigos_eval.types import TextPart
    >>> ask = Prompt("k", (Message("user", (TextPart("Why?"),)),), prefill="<description>")
    >>> how = Decoding(n=5, temperature=1, top_p=0.9, top_k=20, max_new_tokens=64, seed=42)
    >>> body = chat_request(ask, how, Wording("m", ImageLimits()))
    >>> body["n"], body["seed"], body["top_k"], body["continue_final_message"]
    (5, 42, 20, True)
    >>> body["messages"][-1]
    {'role': 'assistant', 'content': '<description>'}
    """
    body: Json = {
        "model": wording.model,
        "messages": [_message(message, prompt, wording.limits) for message in prompt.messages],
        "n": samples_asked(decoding),
        "seed": decoding.seed,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "max_tokens": decoding.max_new_tokens,
    }
    if prompt.prefill:
        body["messages"].append({"role": "assistant", "content": prompt.prefill})
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if decoding.top_k or wording.dialect == "full":
        body["top_k"] = decoding.top_k or -1  # SGLang knows -1 as off, not 0; vLLM knows both
    if wording.dialect == "full":
        body |= {"min_p": 0.0, "repetition_penalty": 1.0, "return_token_ids": True}
    if decoding.suppress_token_ids:
        body["logit_bias"] = {str(token): -100 for token in decoding.suppress_token_ids}
    if wording.chat_template is not None:
        body["chat_template"] = wording.chat_template
    limits = {"min_pixels": wording.limits.min_pixels, "max_pixels": wording.limits.max_pixels}
    explicit = {name: value for name, value in limits.items() if value is not None}
    if explicit and prompt.images:
        body["mm_processor_kwargs"] = explicit
    return body


def samples_asked(decoding: Decoding) -> int:
    """Samples to ask for: greedy ones are all the same text, and vLLM refuses n > 1 of them.

    >>> samples_asked(Decoding(n=5, temperature=0, top_p=1, top_k=0, max_new_tokens=1, seed=0))
    1
    """
    return 1 if decoding.temperature == 0 else decoding.n


def _message(message: Message, prompt: Prompt, limits: ImageLimits) -> Json:
    if not any(isinstance(part, ImagePart) for part in message.parts):
        # Plain text: some templates join a list of texts with newlines.
        text = "".join(part.text for part in message.parts if not isinstance(part, ImagePart))
        return {"role": message.role, "content": text}
    content: list[Json] = []
    for part in message.parts:
        if isinstance(part, ImagePart):
            url = data_url(prompt.images[part.index], limits, prompt.key)
            content.append({"type": "image_url", "image_url": {"url": url}})
        else:
            content.append({"type": "text", "text": part.text})
    return {"role": message.role, "content": content}


def data_url(image: EncodedImage, limits: ImageLimits, key: str) -> str:
    """The image as a base64 data URL: its stored bytes, or a PNG of what other engines would see.

    The stored bytes go out when every server decodes them to the same pixels: JPEG, PNG or WebP,
    upright, without transparency, within the limits. Anything else is decoded, laid on white and
    resized as for the other engines, and stored without loss.

    Raises:
        EngineError: The bytes are no image.
    """
    media_type = _stored_media_type(image, limits)
    stored = image.data
    if media_type is None:
        media_type = "image/png"
        drawn = io.BytesIO()
        # Level 1: a third of the time of the default, on loopback or a cluster's network.
        decoded_image(image, limits, key).save(drawn, "PNG", compress_level=1)
        stored = drawn.getvalue()
    return f"data:{media_type};base64,{base64.b64encode(stored).decode('ascii')}"


def needs_drawing(prompt: Prompt, limits: ImageLimits) -> bool:
    """Some image of the prompt must be decoded and stored anew: work for a thread."""
    return any(_stored_media_type(image, limits) is None for image in prompt.images)


def _stored_media_type(image: EncodedImage, limits: ImageLimits) -> str | None:
    """Media type under which the stored bytes can be sent; None when they must be drawn anew."""
    from PIL import Image, UnidentifiedImageError

    try:
        # Reads the header only.
        with Image.open(io.BytesIO(image.data)) as opened:
            is_plain = (
                opened.mode in ("RGB", "L", "P")
                and not opened.has_transparency_data
                and opened.getexif().get(EXIF_ORIENTATION, 1) == 1
                and fitted_size(opened.width, opened.height, limits) == opened.size
            )
            return SENT_AS_STORED.get(opened.format or "") if is_plain else None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        return None  # decoding it in full will name what is wrong
