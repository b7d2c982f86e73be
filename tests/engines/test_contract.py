"""What every engine must do alike, on one checkpoint: hf here, vllm and server in `make test-vllm`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.engines.asking import GREEDY, SAMPLED, asked, encoded, picture
from tests.engines.conftest import CONTEXT, EXTRA_STOPS, Subject, same_chances
from vigos_eval.errors import EngineError, PromptRefused
from vigos_eval.types import Decoding, Generated, ImagePart, Message, Prompt, TextPart

# Written out by hand: what the model must read, image tokens counted from the picture's size.
OPENING = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
CLOSING = "<|im_end|>\n<|im_start|>assistant\n"
SMALL = "<|vision_start|>" + "<|image_pad|>" * 6 + "<|vision_end|>"
# 1000 x 500 within 16 image tokens: Qwen's rule gives 140 x 56 pixels, 5 x 2 tokens.
SHRUNK = "<|vision_start|>" + "<|image_pad|>" * 10 + "<|vision_end|>"


def answers(subject: Subject, decoding: Decoding, *prompts: Prompt) -> list[Generated]:
    """The engine's answers in the order of the prompts."""
    found = {answer.key: answer for answer in subject.engine.generate(prompts, decoding)}
    return [found[prompt.key] for prompt in prompts]


def texts(generated: Generated) -> list[str]:
    return [completion.text for completion in generated.completions]


TURNS = [
    pytest.param(asked("one", picture("red")), SMALL + "What is shown?", id="image-then-text"),
    pytest.param(asked("none", text="Why?"), "Why?", id="no-image"),
    pytest.param(
        asked("two", picture("red"), picture("blue", (112, 56))),
        SMALL + SMALL.replace("<|image_pad|>" * 6, "<|image_pad|>" * 8) + "What is shown?",
        id="two-images-of-different-size",
    ),
    pytest.param(
        Prompt(
            "between",
            (Message("user", (TextPart("See "), ImagePart(0), TextPart(" and answer."))),),
            (picture("red"),),
            "<description>",
        ),
        "See " + SMALL + " and answer.",
        id="image-inside-the-text",
    ),
    pytest.param(
        asked("large", picture("red", (1000, 500))),
        SHRUNK + "What is shown?",
        id="above-max-pixels",
    ),
]


@pytest.mark.parametrize(("prompt", "turn"), TURNS)
def test_every_engine_reads_the_same_token_ids(
    subject: Subject, tokenizer: Any, prompt: Prompt, turn: str
) -> None:
    expected = tokenizer(
        OPENING + turn + CLOSING + prompt.prefill, add_special_tokens=False
    ).input_ids
    (answer,) = answers(subject, GREEDY, prompt)
    assert list(answer.prompt_ids) == expected
    assert answer.prompt_tokens == len(expected)


def test_the_prompt_ends_with_the_prefill_inside_an_open_turn(
    subject: Subject, tokenizer: Any
) -> None:
    (answer,) = answers(subject, GREEDY, asked("k", picture("red")))
    prefill = tokenizer("<description>", add_special_tokens=False).input_ids
    assert list(answer.prompt_ids[-len(prefill) :]) == prefill
    last_turn = tokenizer.decode(answer.prompt_ids).split("<|im_start|>")[-1]
    assert last_turn == "assistant\n<description>"


def test_without_prefill_the_turn_is_open_and_empty(subject: Subject, tokenizer: Any) -> None:
    (answer,) = answers(subject, GREEDY, asked("k", picture("red"), prefill=""))
    assert tokenizer.decode(answer.prompt_ids).endswith("<|im_start|>assistant\n")


def test_another_image_changes_the_logits(subject: Subject) -> None:
    red = subject.chances(asked("red", picture("red")))
    blue = subject.chances(asked("blue", picture("blue")))
    assert same_chances(red, subject.chances(asked("again", picture("red"))))
    assert not same_chances(red, blue)


def test_the_order_of_images_is_the_order_of_the_text(subject: Subject) -> None:
    red, blue = picture("red"), picture("blue")
    straight = subject.chances(asked("straight", red, blue))
    swapped = subject.chances(asked("swapped", blue, red))
    assert not same_chances(straight, swapped)


def test_five_samples_are_five_texts(subject: Subject) -> None:
    (answer,) = answers(subject, SAMPLED, asked("k", picture("red")))
    assert len(set(texts(answer))) == 5


def test_the_same_seed_gives_the_same_samples(subject: Subject) -> None:
    prompt = asked("k", picture("red"))
    first, again = answers(subject, SAMPLED, prompt), answers(subject, SAMPLED, prompt)
    assert first == again
    assert answers(subject, replace(SAMPLED, seed=142), prompt) != first


def test_sample_i_has_the_seed_plus_i(subject: Subject) -> None:
    prompt = asked("k", picture("red"))
    (five,) = answers(subject, SAMPLED, prompt)
    (three,) = answers(subject, replace(SAMPLED, n=3, seed=SAMPLED.seed + 2), prompt)
    assert texts(five)[2:] == texts(three)


def test_greedy_answers_are_those_of_transformers(subject: Subject, hf: Subject) -> None:
    prompts = [param.values[0] for param in TURNS]
    for mine, theirs in zip(
        answers(subject, GREEDY, *prompts), answers(hf, GREEDY, *prompts), strict=True
    ):
        assert whole_characters(mine) == whole_characters(theirs)


def whole_characters(answer: Generated) -> Generated:
    """Without a character torn at the very end: a server's stream decoder holds it back."""
    return replace(
        answer,
        completions=tuple(
            replace(sample, text=sample.text.rstrip("\ufffd")) for sample in answer.completions
        ),
    )


def test_greedy_samples_are_one_text_n_times(subject: Subject) -> None:
    (answer,) = answers(subject, replace(GREEDY, n=3), asked("k", picture("red")))
    assert len(answer.completions) == 3
    assert len(set(texts(answer))) == 1


def test_top_k_of_one_is_greedy(subject: Subject) -> None:
    prompt = asked("k", picture("red"))
    (forced,) = answers(subject, replace(SAMPLED, top_k=1), prompt)
    (greedy,) = answers(subject, GREEDY, prompt)
    assert set(texts(forced)) == set(texts(greedy))


def test_an_answer_ends_at_the_checkpoints_own_end_tokens(subject: Subject, tokenizer: Any) -> None:
    """They stand in its generation config only; the end token is counted and not shown."""
    prompts = [asked(color, picture(color)) for color in ("red", "green", "blue")]
    # Over the whole vocabulary, so that ends are drawn.
    decoding = replace(SAMPLED, top_k=0, top_p=1.0, max_new_tokens=64)
    samples = [s for a in answers(subject, decoding, *prompts) for s in a.completions]
    stopped = [s for s in samples if s.finish_reason == "stop"]
    assert stopped
    for sample in samples:
        ends = [i for i, token in enumerate(sample.token_ids) if token in EXTRA_STOPS]
        assert sample.tokens == len(sample.token_ids)
        if sample.finish_reason == "stop":
            assert ends in ([], [sample.tokens - 1])  # [] : Qwen's own <|im_end|> came first
            shown = tokenizer.decode(sample.token_ids[:-1], skip_special_tokens=True)
            assert sample.text.rstrip("\ufffd") == shown.rstrip("\ufffd")
        else:
            assert ends == []
            assert sample.tokens == 64


def test_special_tokens_are_counted_and_not_shown(subject: Subject) -> None:
    decoding = replace(SAMPLED, top_k=0, top_p=1.0, max_new_tokens=64)
    for answer in answers(subject, decoding, asked("a", picture("red")), asked("b")):
        assert not any("<|" in text for text in texts(answer))


def test_a_cut_off_answer_says_so(subject: Subject) -> None:
    (answer,) = answers(subject, replace(GREEDY, max_new_tokens=3), asked("k", picture("red")))
    (sample,) = answer.completions
    assert (sample.finish_reason, sample.tokens) == ("length", 3)


def test_the_end_of_the_context_cuts_off_too(subject: Subject) -> None:
    probe = asked("probe", text="the " * 300)
    (short,) = answers(subject, replace(GREEDY, max_new_tokens=1), probe)
    words = 300 + (CONTEXT - short.prompt_tokens) - 5
    prompt = asked("k", text="the " * words)
    suppressed = replace(GREEDY, suppress_token_ids=(*EXTRA_STOPS, 514, 515))
    (answer,) = answers(subject, suppressed, prompt)
    assert answer.prompt_tokens == CONTEXT - 5
    assert (answer.completions[0].finish_reason, answer.completions[0].tokens) == ("length", 5)


def test_a_prompt_longer_than_the_context_is_a_named_error(subject: Subject) -> None:
    with pytest.raises(PromptRefused, match=r"prompt endless .*(context|max_model_len)"):
        answers(subject, GREEDY, asked("endless", text="the " * 600))


def test_an_image_that_is_none_is_an_error_and_never_left_out(subject: Subject) -> None:
    with pytest.raises(EngineError, match="prompt torn"):
        answers(subject, GREEDY, asked("torn", encoded(picture("red").data[:60])))


def test_after_an_error_the_engine_still_answers(subject: Subject) -> None:
    with pytest.raises(EngineError):
        answers(subject, GREEDY, asked("fine"), asked("endless", text="the " * 600), asked("also"))
    assert answers(subject, GREEDY, asked("next"))[0].completions


def test_a_refused_prompt_is_named_after_the_answers_that_were_under_way(subject: Subject) -> None:
    found = []
    with pytest.raises(PromptRefused) as caught:
        for answer in subject.engine.generate(
            [asked("a"), asked("b"), asked("torn", encoded(picture("red").data[:60])), asked("c")],
            SAMPLED,
        ):
            found.append(answer.key)
    assert caught.value.key == "torn"
    assert {"a", "b"} <= set(found) <= {"a", "b", "c"}


def test_a_consumer_may_stop_early(subject: Subject) -> None:
    stream = subject.engine.generate((asked(str(i)) for i in range(6)), SAMPLED)
    first = next(iter(stream))
    del stream
    assert len(first.completions) == 5
    assert answers(subject, GREEDY, asked("next"))[0].completions


def test_suppressed_tokens_are_never_sampled(subject: Subject) -> None:
    prompt = asked("k", picture("red"))
    (free,) = answers(subject, SAMPLED, prompt)
    banned = tuple({sample.token_ids[0] for sample in free.completions})
    (held,) = answers(subject, replace(SAMPLED, suppress_token_ids=banned), prompt)
    assert not set(banned) & {token for sample in held.completions for token in sample.token_ids}


def test_prompts_are_taken_only_as_the_window_needs_them(subject: Subject) -> None:
    """Images of thousands of prompts must not be in memory at once."""
    taken = 0

    def source() -> Iterator[Prompt]:
        nonlocal taken
        for i in range(400):
            taken += 1
            yield asked(str(i))

    stream = subject.engine.generate(source(), replace(SAMPLED, max_new_tokens=1))
    next(iter(stream))
    assert taken <= 100
    del stream


def test_the_identity_is_made_of_strings(subject: Subject) -> None:
    assert subject.engine.identity
    assert all(isinstance(value, str) for value in subject.engine.identity.values())
