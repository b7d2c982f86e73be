r"""Spans of handcrafted rollouts, tokenised by hand, against labels and a string oracle."""

from __future__ import annotations

import re
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigos_eval.errors import CheckpointError
from vigos_train.spans import Spans, spans, token_pieces

EOS = "⏹"
"""Stands for the end token, which has no bytes."""

# id, tokens separated by "|", the text that D's tokens spell, the text that R's tokens spell.
VALID = [
    ("plain", "two cats|</description>|<think>|1+1|</think>|\\boxed{|2|}|⏹", "two cats",
     "1+1</think>\\boxed{2}"),
    ("tags-in-pieces", "a| b|</|description|>| |<|think|>|c|</|think|>| \\|boxed|{|3|}|⏹", "a b",
     "c</think> \\boxed{3}"),
    ("full-stop-merges-with-the-tag", "a cat|.</|description|>|<think>|so|</think>|\\boxed{1}",
     "a cat", "so</think>\\boxed{1}"),
    ("tag-merges-with-what-follows", "a cat|</|description|>The|<think>|so|</think>|\\boxed{1}",
     "a cat", "so</think>\\boxed{1}"),
    ("think-merges-with-the-first-word", "a|</description>|<|think|>The| end|</think>|\\boxed{1}",
     "a", " end</think>\\boxed{1}"),
    ("gap-merges-with-think", "a|</description>|>\n<|think>|so|</think>|\\boxed{1}", "a",
     "so</think>\\boxed{1}"),
    ("blank-merges-with-less-than", "a|</description>| <|think|>|so|</think>| \\boxed{1}", "a",
     "so</think> \\boxed{1}"),
    ("both-tags-share-a-token", "a|</description|><|think|>|so|</think>|\\boxed{1}", "a",
     "so</think>\\boxed{1}"),
    ("think-end-inside-r-may-merge", "a|</description>|<think>|so.</|think|>\\|boxed{1}", "a",
     "so.</think>\\boxed{1}"),
    ("brace-merges-with-full-stop", "a|</description>|<think>|so|</think>|\\boxed{|1|}.|⏹", "a",
     "so</think>\\boxed{1}."),
    ("brace-merges-with-dollar", "a|</description>|<think>|so|</think>|$\\|boxed{|1|}$|⏹", "a",
     "so</think>$\\boxed{1}$"),
    ("two-braces-in-one-token", "a|</description>|<think>|so|</think>|\\boxed{\\frac{1}{2|}}|⏹",
     "a", "so</think>\\boxed{\\frac{1}{2}}"),
    ("brace-pair-merges-with-the-next-box",
     "a|</description>|<think>|so|</think>|\\boxed{1|} \\boxed|{2}", "a",
     "so</think>\\boxed{1} \\boxed"),
    ("nested-braces", "a|</description>|<think>|so|</think>|\\boxed{|\\sqrt{\\frac{1}{2}}|}|⏹", "a",
     "so</think>\\boxed{\\sqrt{\\frac{1}{2}}}"),
    ("escaped-brace-is-text", "a|</description>|<think>|so|</think>|\\boxed{|\\}|1|}|⏹", "a",
     "so</think>\\boxed{\\}1}"),
    ("set-braces", "a|</description>|<think>|so|</think>|\\boxed{|\\{1,2\\}|}|.", "a",
     "so</think>\\boxed{\\{1,2\\}}"),
    ("empty-box", "a|</description>|<think>|so|</think>|\\boxed{|}|⏹", "a", "so</think>\\boxed{}"),
    ("cjk", "两只|猫|</description>|<think>|一加一|</think>|\\boxed{|二|}|⏹", "两只猫",
     "一加一</think>\\boxed{二}"),
    ("emoji", "🐱|🐱 cats|</description>|<think>|🤔|</think>|\\boxed{|🐱|}|⏹", "🐱🐱 cats",
     "🤔</think>\\boxed{🐱}"),
    ("accents-and-zero-width", "café\u200b|</description>|<think>|naïve|</think>|\\boxed{é}",
     "café\u200b", "naïve</think>\\boxed{é}"),
    ("newlines-everywhere", "\n|a\n|</description>|\n\n|<think>|\n|so\n|</think>|\n\\|boxed{|1|}\n",
     "\na\n", "\nso\n</think>\n\\boxed{1}\n"),
    ("windows-newlines", "a\r\n|</description>|\r\n|<think>|so|</think>|\\boxed{1}|\r\n", "a\r\n",
     "so</think>\\boxed{1}"),
    ("text-between-the-tags", "a|</description>| Now I think.|<think>|so|</think>|\\boxed{1}", "a",
     "so</think>\\boxed{1}"),
    ("text-between-think-and-box", "a|</description>|<think>|so|</think>| Thus| \\boxed{1}", "a",
     "so</think> Thus \\boxed{1}"),
    ("text-after-the-box", "a|</description>|<think>|so|</think>|\\boxed{|1|}| is| it|⏹", "a",
     "so</think>\\boxed{1}"),
    ("two-boxes-the-first-ends-r", "a|</description>|<think>|so|</think>|\\boxed{1}| or |\\boxed{2}",
     "a", "so</think>\\boxed{1}"),
    ("box-in-the-reasoning-too", "a|</description>|<think>|\\boxed{0}?|</think>|\\boxed{1}", "a",
     "\\boxed{0}?</think>\\boxed{1}"),
    ("box-in-the-description-too", "\\boxed{9}|</description>|<think>|so|</think>|\\boxed{1}",
     "\\boxed{9}", "so</think>\\boxed{1}"),
    ("doubled-description-end", "a|</description>|b|</description>|<think>|so|</think>|\\boxed{1}",
     "a", "so</think>\\boxed{1}"),
    ("doubled-description-opening", "<description>|a|</description>|<think>|so|</think>|\\boxed{1}",
     "<description>a", "so</think>\\boxed{1}"),
    ("doubled-think", "a|</description>|<think>|x|<think>|so|</think>|\\boxed{1}", "a",
     "x<think>so</think>\\boxed{1}"),
    ("doubled-think-end", "a|</description>|<think>|so|</think>|</think>|\\boxed{1}", "a",
     "so</think></think>\\boxed{1}"),
    ("think-inside-the-description", "<think>|a|</description>|<think>|so|</think>|\\boxed{1}",
     "<think>a", "so</think>\\boxed{1}"),
    ("one-byte-per-token", "|".join("a</description><think>b</think>\\boxed{1}"), "a",
     "b</think>\\boxed{1}"),
    ("all-tags-in-their-own-token-and-no-gap", "a|</description>|<think>|</think>|\\boxed{1}", "a",
     "</think>\\boxed{1}"),
    ("everything-after-d-in-one-token-but-the-box", "a|</description><think>|b</think>\\boxed{1}",
     "a", "b</think>\\boxed{1}"),
    ("unclosed-second-box", "a|</description>|<think>|so|</think>|\\boxed{1}|\\boxed{", "a",
     "so</think>\\boxed{1}"),
    ("blank-description", " |</description>|<think>|so|</think>|\\boxed{1}", " ",
     "so</think>\\boxed{1}"),
]  # fmt: skip

# id, tokens, what is said to be missing.
MALFORMED = [
    ("no-description-end", "a|<think>|so|</think>|\\boxed{1}|⏹", "</description>"),
    ("no-think", "a|</description>|so|</think>|\\boxed{1}|⏹", "<think>"),
    ("no-think-end", "a|</description>|<think>|so|\\boxed{1}|⏹", "</think>"),
    ("no-box", "a|</description>|<think>|so|</think>|1|⏹", "\\boxed{"),
    ("unclosed-box", "a|</description>|<think>|so|</think>|\\boxed{\\frac{1}{2}|⏹",
     "the box's closing brace"),
    ("escaped-closing-brace", "a|</description>|<think>|so|</think>|\\boxed{1\\}",
     "the box's closing brace"),
    ("box-before-think-end-only", "a|</description>|<think>|\\boxed{1}|</think>|so", "\\boxed{"),
    ("wrong-order", "<think>|so|</think>|a|</description>|\\boxed{1}", "<think>"),
    ("empty-description", "</description>|<think>|so|</think>|\\boxed{1}", "a description"),
    ("description-lost-in-a-merged-token", ".</|description>|<think>|so|</think>|\\boxed{1}",
     "a description"),
    ("only-a-special-token-before-the-tag", "⏹|</description>|<think>|so|</think>|\\boxed{1}",
     "a description"),
    ("reasoning-lost-in-a-merged-token", "a|</description>|<think>so</think>\\boxed{1}",
     "reasoning"),
    ("capital-tag", "a|</Description>|<think>|so|</think>|\\boxed{1}", "</description>"),
    ("cut-inside-the-tag", "a|</descrip", "</description>"),
    ("end-at-once", "⏹", "</description>"),
    ("nothing", "", "</description>"),
]  # fmt: skip


def tokens(written: str) -> list[bytes]:
    return [b"" if piece == EOS else piece.encode() for piece in written.split("|")]


def found(pieces: list[bytes]) -> Spans:
    return spans(range(len(pieces)), pieces)


def oracle(pieces: list[bytes]) -> tuple[bytes, bytes] | None:
    """What D and R spell, from the text alone: whole tokens inside D, and R to its brace's token."""
    text = b"".join(pieces).decode("latin-1")
    shape = re.match(r"(.*?)</description>.*?<think>(.*?)</think>.*?\\boxed\{", text, re.DOTALL)
    if shape is None:
        return None
    bare = re.sub(r"\\.", "__", text[shape.end() :], flags=re.DOTALL)
    depths = [1]
    for character in bare:
        depths.append(depths[-1] + {"{": 1, "}": -1}.get(character, 0))
    if 0 not in depths:
        return None
    close = shape.end() + depths.index(0)
    seen = reasoned = b""
    offset = 0
    for piece in pieces:
        if offset + len(piece) <= shape.end(1):
            seen += piece
        if shape.start(2) <= offset < close:
            reasoned += piece
        offset += len(piece)
    return (seen, reasoned) if seen and reasoned else None


def spelled(pieces: list[bytes], where: Spans) -> tuple[bytes, bytes]:
    return b"".join(pieces[where.description]), b"".join(pieces[where.reasoning])


@pytest.mark.parametrize(
    ("written", "seen", "reasoned"), [pytest.param(*row[1:], id=row[0]) for row in VALID]
)
def test_a_valid_rollout_has_the_spans_it_was_written_with(
    written: str, seen: str, reasoned: str
) -> None:
    pieces = tokens(written)
    where = found(pieces)
    assert where.is_valid, where.missing
    assert spelled(pieces, where) == (seen.encode(), reasoned.encode())
    assert spelled(pieces, where) == oracle(pieces)


@pytest.mark.parametrize(
    ("written", "missing"), [pytest.param(*row[1:], id=row[0]) for row in MALFORMED]
)
def test_a_malformed_rollout_says_what_is_missing(written: str, missing: str) -> None:
    pieces = tokens(written)
    where = found(pieces)
    assert not where.is_valid and where.missing == missing
    assert where.description == where.reasoning == slice(0, 0)
    assert oracle(pieces) is None


def test_the_tables_hold_at_least_forty_rollouts() -> None:
    assert len({row[1] for row in [*VALID, *MALFORMED]}) >= 40


def test_the_end_token_is_never_inside_a_span_of_a_valid_row() -> None:
    pieces = tokens("a|</description>|<think>|so|</think>|\\boxed{1|}|⏹")
    where = found(pieces)
    assert where.reasoning.stop == len(pieces) - 1


def test_a_token_across_the_end_of_think_says_how_much_of_the_tag_it_writes() -> None:
    assert found(tokens("a|</description>|<thi|nk>The|b</think>|\\boxed{1}")).think_bytes == 3
    assert found(tokens("a|</description>|<think>|The|</think>|\\boxed{1}")).think_bytes == 0


def test_an_id_beyond_the_tokenizer_stands_for_no_bytes() -> None:
    pieces = tokens("a|</description>|<think>|so|</think>|\\boxed{1}")
    assert spans([99, *range(len(pieces))], pieces).description == slice(0, 2)


FRAGMENTS = st.sampled_from(
    ["</description>", "<think>", "</think>", "\\boxed{", "}", "{", "\\}", "\\", "a cat", " ", "\n",
     "猫", "🐱", "<", "</", ">", "think", "1", ".", "<description>", "box"]
)  # fmt: skip


@given(
    st.one_of(
        st.lists(FRAGMENTS, max_size=25).map("".join),
        st.tuples(*[st.lists(FRAGMENTS, max_size=4).map("".join) for _ in range(5)]).map(
            lambda gaps: "{}</description>{}<think>{}</think>{}\\boxed{{{}}}".format(*gaps)
        ),
    ),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_any_tokenisation_of_any_text_agrees_with_the_string_oracle(text: str, data: Any) -> None:
    raw = text.encode()
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=60))
    edges = [0, *sorted(cuts), len(raw)]
    pieces = [raw[a:b] for a, b in pairwise(edges)]
    where = found(pieces)
    assert (spelled(pieces, where) if where.is_valid else None) == oracle(pieces)


def test_the_pieces_of_a_byte_level_tokenizer_spell_any_text(processor: Any) -> None:
    tokenizer = processor.tokenizer
    pieces = token_pieces(tokenizer)
    text = "</description> <think>The 猫 is 🐱, café\n\n\t</think> \\boxed{½}\x00\xad"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert b"".join(pieces[i] for i in ids) == text.encode()
    assert pieces[tokenizer.convert_tokens_to_ids("<|im_end|>")] == b""
    assert len(pieces) == len(tokenizer)


def test_a_tokenizer_without_the_byte_alphabet_is_refused() -> None:
    class Sentencepiece(SimpleNamespace):
        def __len__(self) -> int:
            return 2

    odd = Sentencepiece(added_tokens_decoder={}, convert_ids_to_tokens=lambda _: ["a", "▁the"])
    with pytest.raises(CheckpointError, match="byte-level"):
        token_pieces(odd)
