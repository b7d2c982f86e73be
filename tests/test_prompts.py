"""Prompts as they are asked: golden files, image places, verbatim protocol texts.

`python tests/test_prompts.py` writes tests/golden/prompts anew; review the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vigos_eval.benchmarks import labels, load_rows, sample_from_row
from vigos_eval.errors import DataError
from vigos_eval.prompts import build_prompt
from vigos_eval.protocol import load_protocol, with_overrides
from vigos_eval.types import AnswerKind, EncodedImage, ImagePart, Message, Prompt, Sample, TextPart

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "prompts"
SAMPLE_DATA = HERE / "data" / "sample"
PROTOCOLS = ("release", "model_card", "plain", "paper", "demo")
PHOTOS = tuple(EncodedImage(b"", str(n)) for n in range(3))


def readable(prompt: Prompt) -> str:
    """The prompt with its turns and image places written out, and every byte of its text."""
    lines = []
    for message in prompt.messages:
        body = "".join(
            part.text if isinstance(part, TextPart) else f"[picture {part.index + 1}]"
            for part in message.parts
        )
        lines.append(f"=== {message.role}\n{body}")
    return "\n".join([*lines, f"=== assistant begins\n{prompt.prefill}", "=== end\n"])


def golden_texts() -> dict[str, str]:
    """File name -> what it must hold: a question of each label, and each protocol once."""
    texts = {}
    for label in labels():
        rows = load_rows(label)
        # MMMU's row with two pictures; the second part of MMMU-Pro too.
        chosen = {
            "mmmu": (2,),
            "mmmu_official": (0,),
            "mmmu_pro": (0, 4),
            "mmmu_pro_official": (0, 4),
        }
        pieces = []
        for index in chosen.get(label, (0,)):
            sample = sample_from_row(label, rows[index], index)
            pieces.append(readable(build_prompt(sample, load_protocol("release"), label)))
        texts[f"{label}.txt"] = "\n".join(pieces)
    for name in PROTOCOLS:
        sample = sample_from_row("mathvista", load_rows("mathvista")[0], 0)
        texts[f"protocol_{name}.txt"] = readable(build_prompt(sample, load_protocol(name), name))
    return texts


@pytest.fixture(scope="module")
def golden() -> dict[str, str]:
    """`golden_texts` of the sample data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIGOS_DATA_ROOT", str(SAMPLE_DATA))
        return golden_texts()


FILES = [f"{name}.txt" for name in (*labels(), *(f"protocol_{name}" for name in PROTOCOLS))]


@pytest.mark.parametrize("name", FILES)
def test_the_prompt_is_the_golden_one(name: str, golden: dict[str, str]) -> None:
    assert golden[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_every_golden_prompt_is_compared(golden: dict[str, str]) -> None:
    assert sorted(golden) == sorted(FILES)
    assert len(FILES) == 25


def asked(question: str, count: int, task: str = "mmmu", source: str = "official") -> Prompt:
    """A question of that many pictures under `plain`."""
    sample = Sample(
        task, "paper" if source == "paper" else "official", "1", question, "A", AnswerKind.CHOICE, "1",
        images=PHOTOS[:count],
    )  # fmt: skip
    return build_prompt(sample, load_protocol("plain"), "key")


def places(prompt: Prompt) -> list[str | int]:
    """Texts and picture numbers of the user's turn, in order."""
    return [p.text if isinstance(p, TextPart) else p.index + 1 for p in prompt.messages[-1].parts]


def test_official_pictures_stand_behind_the_mark_that_names_them() -> None:
    prompt = asked("Compare <image 2> with <image 1>.\nA. <image 1>\nB. <image 2>", 2)
    assert places(prompt) == [
        "Compare <image 2>", 2, " with <image 1>", 1, ".\nA. <image 1>\nB. <image 2>",
    ]  # fmt: skip


def test_a_picture_that_no_mark_names_comes_first() -> None:
    assert places(asked("See <image 2>", 3)) == [1, 3, "See <image 2>", 2]
    assert places(asked("Which?", 2)) == [1, 2, "Which?"]


def test_released_marks_are_only_words() -> None:
    assert places(asked("See <image 2>", 2, source="paper")) == [1, 2, "See <image 2>"]
    assert places(asked("See <image 1>", 1, task="mathvista")) == [1, "See <image 1>"]


def test_a_mark_without_its_picture_is_an_error() -> None:
    with pytest.raises(DataError, match=r"key mentions <image 3>, but the row has 2 image"):
        asked("See <image 1>, <image 3>", 2)


def test_a_question_without_pictures_is_never_asked() -> None:
    with pytest.raises(DataError, match="key has no image"):
        asked("Which?", 0)


def test_a_question_that_holds_a_placeholder_is_not_filled_again() -> None:
    assert places(asked("What does {question} mean?", 1)) == [1, "What does {question} mean?"]


def test_a_system_text_is_a_turn_of_its_own() -> None:
    protocol = with_overrides(load_protocol("plain"), {"system": "Be brief."})
    sample = Sample("mmmu", "paper", "1", "Which?", "A", AnswerKind.CHOICE, "1", images=PHOTOS[:1])
    prompt = build_prompt(sample, protocol, "key")
    assert prompt.messages == (
        Message("system", (TextPart("Be brief."),)),
        Message("user", (ImagePart(0), TextPart("Which?"))),
    )


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    os.environ["VIGOS_DATA_ROOT"] = str(SAMPLE_DATA)
    for file, text in golden_texts().items():
        (GOLDEN / file).write_text(text, encoding="utf-8")
