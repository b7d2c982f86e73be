"""Which engine `auto` means, and what is said when one cannot run here."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.engines.conftest import settings_of
from vigos_eval.engines import open as opening
from vigos_eval.engines.open import automatic_engine, open_engine
from vigos_eval.engines.settings import INSTALL_VLLM, EngineSettings
from vigos_eval.errors import ConfigError, EngineError


@pytest.mark.parametrize(
    ("gpus", "has_vllm", "engine", "reason"),
    [
        (0, True, "hf", "there is no GPU here"),
        (1, False, "hf", "vllm is not installed (pip install vllm=="),
        (1, True, "vllm", "vllm is installed and 1 GPU is here"),
        (8, True, "vllm", "vllm is installed and 8 GPUs are here"),
    ],
)
def test_auto_is_vllm_only_with_vllm_and_a_gpu(
    monkeypatch: pytest.MonkeyPatch, gpus: int, has_vllm: bool, engine: str, reason: str
) -> None:
    """Asked without touching CUDA: a context on GPU 0 in each of eight ranks would fill it."""
    import torch

    def touched(*_: object) -> None:
        pytest.fail("CUDA was touched")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_available", touched)
    monkeypatch.setattr(torch.cuda, "_lazy_init", touched)
    monkeypatch.setattr(opening, "find_spec", lambda _: object() if has_vllm else None)
    name, why = automatic_engine()
    assert name == engine
    assert reason in why


def test_auto_says_which_engine_and_why(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    engine = open_engine(settings_of("auto", tiny))
    assert "engine=auto: hf, because there is no GPU here" in capsys.readouterr().err
    engine.close()


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed here")
def test_without_vllm_the_install_line_is_named(tiny: Path) -> None:
    with pytest.raises(EngineError, match=f"{INSTALL_VLLM}, or pass engine=hf"):
        open_engine(settings_of("vllm", tiny))


def test_the_install_line_is_what_the_extra_pins() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    assert f"pip install {extras['vllm'][0]}" == INSTALL_VLLM


def test_an_engine_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match="engine='vlm' does not exist; use one of auto, hf, vllm"):
        EngineSettings(engine="vlm")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("tensor_parallel_size", 0, "tensor_parallel_size=0; use 1 or more"),
        ("max_model_len", -1, "max_model_len=-1; use 0 or more"),
        ("gpu_memory_utilization", 90.0, "gpu_memory_utilization=90.0 is no share of a GPU"),
        ("gpu_memory_utilization", 0.0, "a fraction above 0 and up to 1"),
    ],
)
def test_a_number_that_cannot_be_is_named_before_anything_is_loaded(
    name: str, value: float, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        EngineSettings(**{name: value})  # type: ignore[arg-type]
    assert words in str(caught.value)
