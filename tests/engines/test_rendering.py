"""What every engine shows a model: images upright, on white, resized by Qwen's rule; text in place."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFile

from tests.engines.asking import asked, encoded, picture
from vigos_eval.engines.rendering import (
    ImageLimits,
    decoded_image,
    decoded_images,
    fitted_size,
    load_processor,
    model_inputs,
    prompt_text,
)
from vigos_eval.errors import CheckpointError, ConfigError, EngineError
from vigos_eval.types import ImagePart, Message, Prompt, TextPart

NOISE = Image.effect_noise((90, 60), 80)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def processor(tiny: Path) -> Any:
    return load_processor(str(tiny), (None, None), False)


@pytest.mark.parametrize("low", [None, 4 * 784, 40 * 784])
@pytest.mark.parametrize("high", [64 * 784, 1280 * 784])
def test_sizes_are_those_of_transformers_own_rule(low: int | None, high: int) -> None:
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    for width, height in [(1000, 500), (29, 30), (2000, 60), (84, 56), (640, 480), (60, 2000)]:
        ours = fitted_size(width, height, ImageLimits(low, high))
        # What is within the limits is left to the processor, which then rounds.
        again = smart_resize(ours[1], ours[0], 28, low or 0, high)
        assert again == smart_resize(height, width, 28, low or 0, high), (width, height)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_become_white(mode: str) -> None:
    drawing = Image.new("RGBA", (60, 60), (0, 0, 0, 0)).convert(mode)
    options = {"transparency": 0} if mode == "P" else {}
    seen = decoded_image(encoded(saved(drawing, **options)), ImageLimits(), "k")
    assert seen.mode == "RGB"
    assert seen.getpixel((30, 30)) == (255, 255, 255)


def test_a_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    lying = saved(Image.new("RGB", (80, 40)), "JPEG", exif=exif)
    assert decoded_image(encoded(lying), ImageLimits(), "k").size == (40, 80)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no image",
        picture("red").data[:70],
        b"GIF89a" + b"\0" * 20,
        saved(NOISE, "JPEG")[:-500],
    ],
    ids=["empty", "text", "torn", "broken-gif", "torn-jpeg"],
)
@pytest.mark.parametrize("is_lenient", [False, True], ids=["pillow", "pillow-under-lmms-eval"])
def test_bytes_that_are_no_image_are_an_error_that_names_the_prompt(
    content: bytes, is_lenient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", is_lenient)
    with pytest.raises(EngineError, match="prompt mmmu:00007"):
        decoded_image(encoded(content), ImageLimits(), "mmmu:00007")


def test_an_image_made_to_exhaust_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(EngineError, match="exceeds limit"):
        decoded_image(picture("red"), ImageLimits(), "k")


def test_an_image_without_a_place_is_an_error() -> None:
    orphan = Prompt("k", (Message("user", (TextPart("Why?"),)),), (picture("red"),))
    with pytest.raises(EngineError, match="1 images, but the messages show none"):
        decoded_images(orphan, ImageLimits())


def test_images_come_in_the_order_of_the_text() -> None:
    turned = Prompt(
        "k", (Message("user", (ImagePart(1), ImagePart(0))),), (picture("red"), picture("blue"))
    )
    first, second = decoded_images(turned, ImageLimits())
    assert (first.getpixel((0, 0)), second.getpixel((0, 0))) == ((0, 0, 255), (255, 0, 0))


def test_a_question_that_holds_the_image_mark_is_an_error(processor: Any) -> None:
    """Else its text would be read as an image, or as the place of another."""
    with pytest.raises(EngineError, match=r"prompt k: 1 images, but the templated text shows 2"):
        prompt_text(asked("k", picture("red"), text="What is <|image_pad|>?"), processor)


def test_a_template_that_drops_images_is_an_error(processor: Any) -> None:
    template = "{% for m in messages %}{{ m.content[-1].text }}{% endfor %}"
    with pytest.raises(EngineError, match="the templated text shows 0"):
        prompt_text(asked("k", picture("red")), processor, template)


def test_a_template_that_does_not_compile_is_an_error(processor: Any) -> None:
    with pytest.raises(ConfigError, match=r"chat template fails .*chat_template=FILE"):
        prompt_text(asked("k", picture("red")), processor, "{% for %}")


def test_no_special_token_is_added_to_the_templates_own(tiny: Path) -> None:
    """Llama-like tokenizers open every text with one; the template has written it already."""
    from tokenizers.processors import TemplateProcessing

    processor = load_processor(str(tiny), (None, None), False)
    end = ("<|endoftext|>", processor.tokenizer.convert_tokens_to_ids("<|endoftext|>"))
    processor.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{end[0]} $A", special_tokens=[end]
    )
    assert processor.tokenizer("a").input_ids[0] == end[1]
    inputs = model_inputs(asked("k", picture("red")), processor, ImageLimits())
    assert end[1] not in inputs["input_ids"][0].tolist()


def test_explicit_limits_widen_the_checkpoints_own(tiny: Path, processor: Any) -> None:
    wide = load_processor(str(tiny), (None, 200 * 784), False)
    image = Image.new("RGB", (28 * 12, 28 * 12))
    own, widened = (
        p.image_processor(image)["image_grid_thw"].prod() // 4 for p in (processor, wide)
    )
    assert (int(own), int(widened)) == (64, 144)


def test_a_processor_that_does_not_load_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "processor_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="the processor does not load"):
        load_processor(str(tmp_path), (None, None), False)
