"""Sample + Protocol -> Prompt: the words, and where the images stand. No chat template here."""

from __future__ import annotations

import re

from vigos_eval.errors import DataError
from vigos_eval.protocol import Protocol
from vigos_eval.types import ImagePart, Message, Part, Prompt, Sample, TextPart

MARK = re.compile(r"<image (\d+)>")
MARKED_TASKS = frozenset({"mmmu", "mmmu_pro"})


def build_prompt(sample: Sample, protocol: Protocol, key: str) -> Prompt:
    r"""The conversation that asks a question under a protocol.

    Images come first, then the text. Only the official MMMU and MMMU-Pro rows say where their
    images belong (``<image n>``): there each image follows the first mark that names it, and
    the mark itself stays, because options and later sentences refer to it.

    Args:
        sample: The question.
        protocol: Its `prompt` gets the question in place of ``{question}``.
        key: `Prompt.key`.

    Raises:
        DataError: The question has no image, or a mark names an image that is not there.

    >>> from vigos_eval.protocol import load_protocol
    >>> from vigos_eval.types import AnswerKind, EncodedImage
    >>> photo = EncodedImage(b"", "0")
    >>> sample = Sample("cv_bench", "paper", "1", " How many? ", "2", AnswerKind.NUMBER, "1",
    ...                 images=(photo,))
    >>> prompt = build_prompt(sample, load_protocol("release"), "cv_bench:1")
    >>> [type(part).__name__ for part in prompt.messages[0].parts], prompt.prefill
    (['ImagePart', 'TextPart'], '<description>')
    >>> prompt.messages[0].parts[1].text.splitlines()[0]
    'Problem: How many?'
    """
    if not sample.images:
        raise DataError(f"{key} has no image; an image question is never asked without its image")
    text = protocol.prompt.replace("{question}", sample.question.strip(), 1)
    messages = [Message("user", _parts(sample, text, key))]
    if protocol.system is not None:
        messages.insert(0, Message("system", (TextPart(protocol.system),)))
    return Prompt(key=key, messages=tuple(messages), images=sample.images, prefill=protocol.prefill)


def _parts(sample: Sample, text: str, key: str) -> tuple[Part, ...]:
    first: list[Part] = [ImagePart(index) for index in range(len(sample.images))]
    if sample.source != "official" or sample.task not in MARKED_TASKS:
        return (*first, TextPart(text))
    parts: list[Part] = []
    placed: set[int] = set()
    start = 0
    for mark in MARK.finditer(text):
        index = int(mark[1]) - 1
        if not 0 <= index < len(sample.images):
            raise DataError(
                f"{key} mentions {mark[0]}, but the row has {len(sample.images)} image(s)"
            )
        if index in placed:
            continue
        placed.add(index)
        parts += [TextPart(text[start : mark.end()]), ImagePart(index)]
        start = mark.end()
    if text[start:]:
        parts.append(TextPart(text[start:]))
    # An image that no mark names is still part of the question.
    unnamed = [part for part in first if isinstance(part, ImagePart) and part.index not in placed]
    return (*unnamed, *parts)
