r"""Sampled token ids -> the description and the reasoning, by byte offsets. No text is tokenised.

Tags merge with their neighbours in BPE (``.</``, `` <``, ``>The`` are single tokens): searching
for the tags' ids misses most tags in natural text, and re-tokenising prefixes is off by one.
Every sampled token stands for known bytes, so the tags are searched in the bytes and their
offsets mapped back: exact for any tokenisation, linear, no tensors.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from vigos_eval.errors import CheckpointError

DESCRIPTION_END = b"</description>"
THINK = b"<think>"
THINK_END = b"</think>"
BOX = b"\\boxed{"


@dataclass(frozen=True)
class Spans:
    """Which sampled tokens are description (D) and which reasoning (R).

    In a valid row ``</description>``, the gap, ``<think>``, whatever follows the box and the end
    token belong to neither; so does a token that straddles an edge, except the one that writes
    the box's closing brace.

    Attributes:
        description: D; empty in an invalid row.
        reasoning: R, from after ``<think>`` through the box's closing brace; empty in an invalid
            row.
        missing: What makes the row invalid, for people; "" in a valid one.
        think_bytes: When a token straddles the end of ``<think>`` (``>The``), how many of its
            bytes lie before that end; 0 when none does.
    """

    description: slice = field(default_factory=lambda: slice(0, 0))
    reasoning: slice = field(default_factory=lambda: slice(0, 0))
    missing: str = ""
    think_bytes: int = 0

    @property
    def is_valid(self) -> bool:
        """Both spans are there."""
        return not self.missing


def spans(token_ids: Sequence[int], pieces: Sequence[bytes]) -> Spans:
    r"""The two spans of one rollout, prefill ``<description>`` not included.

    In order: first ``</description>``; first ``<think>`` after it; first ``</think>`` after that;
    first ``\boxed{`` after that, closed by its matching brace (a brace after a backslash is text,
    as in extract.last_boxed). Text between tags, repeated tags and text after the box are
    tolerated. An id outside `pieces` stands for no bytes.

    Args:
        token_ids: The sampled ids, end token included.
        pieces: The bytes of each token id (`token_pieces`).

    >>> pieces = (b"two cats", b".</", b"description> <", b"think>", b"1+1</think>\\boxed{2", b"}")
    >>> spans(range(6), pieces)
    Spans(description=slice(0, 1, None), reasoning=slice(4, 6, None), missing='', think_bytes=0)
    >>> spans(range(4), pieces).missing
    '</think>'
    """
    parts = [pieces[i] if i < len(pieces) else b"" for i in token_ids]
    text = b"".join(parts)
    ends = list(accumulate(map(len, parts)))
    starts = [0, *ends[:-1]]
    position = 0
    found: list[int] = []
    for tag in (DESCRIPTION_END, THINK, THINK_END, BOX):
        place = text.find(tag, position)
        if place < 0:
            return Spans(missing=tag.decode())
        found.append(place)
        position = place + len(tag)
    closing = _closing_brace(text, position)
    if closing is None:
        return Spans(missing="the box's closing brace")
    think_end = found[1] + len(THINK)
    # A token lies in D when it ends at or before the tag, in R when it starts at or after it.
    description = slice(0, bisect_right(ends, found[0]))
    first = bisect_left(starts, think_end)
    reasoning = slice(first, bisect_left(starts, closing + 1))
    for name, span in (("a description", description), ("reasoning", reasoning)):
        if not any(parts[span]):
            return Spans(missing=name)
    straddles = ends[first - 1] > think_end
    return Spans(description, reasoning, "", think_end - starts[first - 1] if straddles else 0)


def _closing_brace(text: bytes, start: int) -> int | None:
    """Offset of the brace that closes the one just before `start`, or None."""
    depth, position = 1, start
    while position < len(text):
        byte = text[position : position + 1]
        if byte == b"\\":
            position += 2
            continue
        depth += (byte == b"{") - (byte == b"}")
        if depth == 0:
            return position
        position += 1
    return None


def token_pieces(tokenizer: Any) -> tuple[bytes, ...]:
    """The bytes that each id of a byte-level BPE tokenizer stands for; special tokens have none.

    Args:
        tokenizer: A Hugging Face tokenizer of GPT-2's byte alphabet (Qwen's).

    Raises:
        CheckpointError: A token is not written in the byte alphabet, so its bytes are unknown.
    """
    byte_of = _byte_of_character()
    added = tokenizer.added_tokens_decoder
    pieces: list[bytes] = []
    for i, token in enumerate(tokenizer.convert_ids_to_tokens(range(len(tokenizer)))):
        if i in added:
            pieces.append(b"" if added[i].special else added[i].content.encode())
            continue
        if token is None:
            pieces.append(b"")
            continue
        if odd := [c for c in token if c not in byte_of]:
            raise CheckpointError(
                f"token {i} ({token!r}) holds {odd[0]!r}: spans need a byte-level BPE tokenizer "
                "such as Qwen2.5-VL's"
            )
        pieces.append(bytes(byte_of[c] for c in token))
    return tuple(pieces)


def _byte_of_character() -> dict[str, int]:
    """GPT-2's printable stand-ins: printable bytes are themselves, the others start at U+0100.

    >>> _byte_of_character()["Ġ"], _byte_of_character()["a"]
    (32, 97)
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    stand_ins = (b for b in range(256) if b not in printable)
    table = {chr(b): b for b in printable}
    table |= {chr(0x100 + i): b for i, b in enumerate(stand_ins)}
    return table
