"""Prompts and images that the engine tests ask with."""

from __future__ import annotations

import hashlib
import io

from PIL import Image

from vigos_eval.types import Decoding, EncodedImage, ImagePart, Message, Prompt, TextPart

SAMPLED = Decoding(n=5, temperature=1.0, top_p=0.9, top_k=20, max_new_tokens=24, seed=42)
GREEDY = Decoding(n=1, temperature=0.0, top_p=1.0, top_k=0, max_new_tokens=24, seed=0)


def picture(color: str, size: tuple[int, int] = (84, 56)) -> EncodedImage:
    """A PNG of one colour; 84 x 56 pixels are 3 x 2 image tokens."""
    stored = io.BytesIO()
    Image.new("RGB", size, color).save(stored, "PNG")
    return encoded(stored.getvalue())


def encoded(content: bytes) -> EncodedImage:
    """An image record around some bytes."""
    return EncodedImage(content, hashlib.sha256(content).hexdigest())


def asked(
    key: str, *images: EncodedImage, text: str = "What is shown?", prefill: str = "<description>"
) -> Prompt:
    """One user turn, images first."""
    places = tuple(ImagePart(i) for i in range(len(images)))
    return Prompt(key, (Message("user", (*places, TextPart(text))),), images, prefill)
