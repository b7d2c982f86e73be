"""Which engine `auto` means, and what is said when one cannot run here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.engines.conftest import settings_of
from vigos_eval.engines import open as opening
from vigos_eval.engines.open import automatic_engine, open_engine
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import ConfigError, EngineError


@pytest.mark.parametrize(
    ("has_gpu", "has_vllm", "engine", "reason"),
    [
        (False, True, "hf", "there is no GPU here"),
        (True, False, "hf", "vllm is not installed"),
        (True, True, "vllm", "vllm is installed and Some GPU is here"),
    ],
)
def test_auto_is_vllm_only_with_vllm_and_a_gpu(
    monkeypatch: pytest.MonkeyPatch, has_gpu: bool, has_vllm: bool, engine: str, reason: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Some GPU")
    monkeypatch.setattr(opening, "find_spec", lambda _: object() if has_vllm else None)
    name, why = automatic_engine()
    assert name == engine
    assert reason in why


def test_auto_says_which_engine_and_why(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = open_engine(settings_of("auto", tiny))
    assert "engine=auto: hf, because there is no GPU here" in capsys.readouterr().err
    engine.close()


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed here")
def test_without_vllm_the_install_line_is_named(tiny: Path) -> None:
    with pytest.raises(EngineError, match=r"pip install 'vigos\[vllm\]', or pass engine=hf"):
        open_engine(settings_of("vllm", tiny))


def test_an_engine_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match="engine='vlm' does not exist; use one of auto, hf, vllm"):
        EngineSettings(engine="vlm")
