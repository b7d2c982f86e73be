"""What a chat request says and what a reply is taken for; nothing is sent."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from typing import Any

import pytest
from PIL import Image, ImageChops

from vigos_eval.engines.rendering import ImageLimits, decoded_image
from vigos_eval.engines.server_reply import UnfinishedReply, generated, token_shares
from vigos_eval.engines.server_request import Wording, chat_request, data_url, needs_drawing
from vigos_eval.errors import EngineError
from vigos_eval.types import Decoding, EncodedImage, ImagePart, Message, Prompt, TextPart

HOW = Decoding(n=2, temperature=1.0, top_p=0.9, top_k=20, max_new_tokens=10, seed=42)
ANY_SIZE = ImageLimits()


def stored(image: Image.Image, kind: str, **options: Any) -> EncodedImage:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return EncodedImage(file.getvalue(), hashlib.sha256(file.getvalue()).hexdigest())


def gradient(mode: str = "RGB", size: tuple[int, int] = (120, 80)) -> Image.Image:
    image = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (image, image.transpose(Image.Transpose.ROTATE_180), image)).convert(
        mode
    )


def rotated() -> EncodedImage:
    exif = Image.Exif()
    exif[0x0112] = 6
    return stored(gradient(), "JPEG", exif=exif)


def taken_apart(url: str) -> tuple[str, bytes]:
    head, _, content = url.partition(",")
    return head, base64.b64decode(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_stored_bytes_go_out_as_they_are(kind: str, mode: str) -> None:
    image = stored(gradient(mode), kind)
    head, content = taken_apart(data_url(image, ImageLimits(max_pixels=120 * 84), "k"))
    assert content == image.data
    assert head == f"data:image/{kind.lower()};base64"


@pytest.mark.parametrize(
    ("image", "limits"),
    [
        pytest.param(stored(gradient(), "JPEG"), ImageLimits(max_pixels=5000), id="too-large"),
        pytest.param(stored(gradient(), "PNG"), ImageLimits(min_pixels=99_000), id="too-small"),
        pytest.param(rotated(), ANY_SIZE, id="turned-by-exif"),
        pytest.param(stored(gradient("RGBA"), "PNG"), ANY_SIZE, id="transparent"),
        pytest.param(
            stored(gradient("P"), "PNG", transparency=0), ANY_SIZE, id="transparent-colour"
        ),
        pytest.param(stored(gradient("CMYK"), "JPEG"), ANY_SIZE, id="cmyk"),
        pytest.param(stored(gradient(), "GIF"), ANY_SIZE, id="gif"),
        pytest.param(stored(gradient(), "BMP"), ANY_SIZE, id="bmp"),
        pytest.param(stored(gradient("I;16"), "PNG"), ANY_SIZE, id="sixteen-bit"),
    ],
)
def test_what_servers_might_read_differently_is_sent_as_other_engines_see_it(
    image: EncodedImage, limits: ImageLimits
) -> None:
    prompt = Prompt("k", (Message("user", (ImagePart(0),)),), images=(image,))
    assert needs_drawing(prompt, limits)
    head, content = taken_apart(data_url(image, limits, "k"))
    sent = Image.open(io.BytesIO(content))
    seen = decoded_image(image, limits, "k")
    assert head == "data:image/png;base64"
    assert (sent.mode, sent.size) == ("RGB", seen.size)
    assert ImageChops.difference(sent, seen).getbbox() is None


def test_bytes_that_are_no_image_are_refused_before_they_are_sent() -> None:
    with pytest.raises(EngineError, match="prompt k: image"):
        data_url(EncodedImage(b"<svg/>", "0" * 64), ANY_SIZE, "k")


def test_images_stand_where_the_message_shows_them() -> None:
    one, two = stored(gradient(), "PNG"), stored(gradient("L"), "PNG")
    parts = (TextPart("before"), ImagePart(1), TextPart("between"), ImagePart(0))
    prompt = Prompt("k", (Message("user", parts),), images=(one, two))
    content = chat_request(prompt, HOW, Wording("m", ANY_SIZE))["messages"][0]["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "text", "image_url"]
    assert taken_apart(content[1]["image_url"]["url"])[1] == two.data
    assert taken_apart(content[3]["image_url"]["url"])[1] == one.data


def test_image_limits_are_told_to_the_server_only_when_they_were_set() -> None:
    prompt = Prompt("k", (Message("user", (ImagePart(0),)),), images=(stored(gradient(), "PNG"),))
    unset = chat_request(prompt, HOW, Wording("m", ANY_SIZE))
    assert "mm_processor_kwargs" not in unset
    limited = chat_request(prompt, HOW, Wording("m", ImageLimits(max_pixels=50_000)))
    assert limited["mm_processor_kwargs"] == {"max_pixels": 50_000}


def test_every_sampling_default_of_the_checkpoint_is_overruled() -> None:
    """Qwen2.5-VL's generation_config has repetition_penalty 1.05 and top_k 1; vllm serve uses it."""
    prompt = Prompt("k", (Message("user", (TextPart("Why?"),)),))
    off = Decoding(n=1, temperature=1.0, top_p=1.0, top_k=0, max_new_tokens=10, seed=42)
    body = chat_request(prompt, off, Wording("m", ANY_SIZE))
    sampling = {
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "repetition_penalty",
        "max_tokens",
        "seed",
    }
    assert {name: body[name] for name in sorted(sampling)} == {
        "max_tokens": 10,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "seed": 42,
        "temperature": 1.0,
        "top_k": -1,
        "top_p": 1.0,
    }


def test_no_prefill_leaves_the_assistants_turn_to_the_server() -> None:
    body = chat_request(
        Prompt("k", (Message("user", (TextPart("Why?"),)),)), HOW, Wording("m", ANY_SIZE)
    )
    assert body["messages"] == [{"role": "user", "content": "Why?"}]
    assert not {"continue_final_message", "add_generation_prompt"} & body.keys()


def test_suppressed_tokens_and_a_template_are_passed_on() -> None:
    how = Decoding(1, 1.0, 1.0, 0, 10, 42, suppress_token_ids=(7, 9))
    prompt = Prompt("k", (Message("system", (TextPart("Be brief."),)),))
    body = chat_request(prompt, how, Wording("m", ANY_SIZE, chat_template="{{ messages }}"))
    assert body["logit_bias"] == {"7": -100, "9": -100}
    assert body["chat_template"] == "{{ messages }}"
    assert body["messages"] == [{"role": "system", "content": "Be brief."}]


def choice(index: int = 0, **changes: Any) -> dict[str, Any]:
    given = {"index": index, "message": {"content": f"text {index}"}, "finish_reason": "stop"}
    return given | changes


def reply(*choices: Any, **changes: Any) -> bytes:
    usage = {"prompt_tokens": 9, "completion_tokens": 8}
    return json.dumps({"choices": list(choices), "usage": usage} | changes).encode()


def test_samples_are_in_order_whatever_order_they_came_in() -> None:
    found = generated(reply(choice(1), choice(0)), "k", HOW, "http://h/v1")
    assert [sample.text for sample in found.completions] == ["text 0", "text 1"]


def test_token_ids_count_and_without_them_the_sum_is_kept() -> None:
    told = generated(reply(choice(0, token_ids=[5]), choice(1, token_ids=[5, 6, 7])), "k", HOW, "h")
    assert [sample.tokens for sample in told.completions] == [1, 3]
    assert told.completions[1].token_ids == (5, 6, 7)
    summed = generated(reply(choice(0), choice(1)), "k", HOW, "h")
    assert [sample.tokens for sample in summed.completions] == [4, 4]


def test_an_answer_that_ends_at_once_is_an_empty_answer() -> None:
    empty = choice(0, message={"content": None})
    found = generated(reply(empty, choice(1)), "k", HOW, "h")
    assert found.completions[0].text == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"<!DOCTYPE html><html>", "a web page", id="web-page"),
        pytest.param(b"", "no JSON object", id="empty"),
        pytest.param(b"[1]", "no JSON object", id="a-list"),
        pytest.param(b"\xff\xfe", "no JSON object", id="not-text"),
        pytest.param(b'{"detail": "x"}', "is no chat completion", id="no-choices"),
        pytest.param(reply(1, 2), "is no chat completion", id="choices-of-numbers"),
        pytest.param(reply(choice(0)), "1 of n=2 samples", id="fewer-samples"),
        pytest.param(
            reply(choice(0), choice(1, finish_reason="content_filter")),
            "content_filter",
            id="filtered",
        ),
        pytest.param(
            reply(choice(0), choice(1, message={"content": "4", "reasoning": "2+2"})),
            "--reasoning-parser",
            id="thinking-cut-out",
        ),
        pytest.param(
            reply(choice(0), choice(1), usage={"completion_tokens": 21}),
            "ignores max_tokens",
            id="beyond-the-limit",
        ),
        pytest.param(
            reply(choice(0, message="text"), choice(1)),
            "is no chat completion",
            id="message-is-text",
        ),
        pytest.param(
            reply(choice(0), choice(1), usage={"completion_tokens": "many"}),
            "is no chat completion",
            id="usage-is-text",
        ),
        pytest.param(
            reply(choice(0, token_ids="abc"), choice(1)), "is no chat completion", id="ids-are-text"
        ),
    ],
)
def test_a_reply_that_is_no_answer_is_an_error(content: bytes, words: str) -> None:
    with pytest.raises(EngineError) as caught:
        generated(content, "k", HOW, "http://h/v1")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "stopped",
    [
        choice(0, finish_reason="abort"),
        choice(0, finish_reason=None, message={"content": None}),
        choice(0, finish_reason="error", message={"content": None}),
    ],
)
def test_an_answer_that_was_broken_off_may_be_asked_again(stopped: dict[str, Any]) -> None:
    with pytest.raises(UnfinishedReply):
        generated(reply(stopped, choice(1)), "k", HOW, "h")


def test_a_limit_of_the_servers_own_is_no_truncation_by_the_protocol() -> None:
    """vllm serve takes max_new_tokens of the checkpoint's generation_config as a limit for all."""
    cut = choice(0, finish_reason="length", token_ids=[5, 6, 7])
    body = reply(cut, choice(1, token_ids=[5]))
    with pytest.raises(EngineError, match=r"off at 3 tokens.*--override-generation-config"):
        generated(body, "k", HOW, "h", context=100)
    # The prompt's 9 tokens and these 3 fill the context: nothing could follow.
    assert generated(body, "k", HOW, "h", context=12).completions[0].finish_reason == "length"


@pytest.mark.parametrize("total", range(0, 31, 3))
def test_a_split_sum_is_the_sum_and_no_share_is_beyond_the_limit(total: int) -> None:
    shares = token_shares(total, ["a" * 90, "b", ""], ["stop", "stop", "stop"], 10)
    assert sum(shares) == total
    assert max(shares) <= 10
    assert min(shares) >= 0
