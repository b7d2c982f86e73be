"""On a GPU: vLLM sleeps and wakes, spreads over two cards, and keeps up with its own limit.

pip install ".[vllm,dev]"
python -m pytest -m gpu tests --checkpoint OedoSoldier/ViGOS-7B    # the last test needs a real one
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.engines.adapters import write_adapter
from tests.engines.asking import GREEDY, asked, picture
from tests.engines.conftest import settings_of
from vigos_eval.engines.open import open_engine
from vigos_eval.types import Prompt

pytestmark = pytest.mark.gpu
PROMPTS = [asked("image", picture("red")), asked("text")]


@pytest.fixture(autouse=True)
def _needs_vllm() -> None:
    pytest.importorskip("vllm", reason="pip install '.[vllm]' first")


def greedy_ids(engine: Any, *prompts: Prompt) -> dict[str, tuple[int, ...]]:
    return {a.key: a.completions[0].token_ids for a in engine.generate(prompts, GREEDY)}


def test_vllm_sleeps_gives_the_memory_back_and_answers_alike_when_awake(
    tiny: Path, tmp_path: Path
) -> None:
    import torch

    settings = settings_of(
        "vllm", tiny, lora_rank=8, is_sleep_enabled=True, gpu_memory_utilization=0.5
    )
    engine: Any = open_engine(settings)
    try:
        bare = greedy_ids(engine, *PROMPTS)
        engine.use_adapter(write_adapter(tiny, tmp_path / "adapter", seed=1), 1)
        adapted = greedy_ids(engine, *PROMPTS)
        assert adapted != bare
        free, total = torch.cuda.mem_get_info()
        engine.sleep()
        assert torch.cuda.mem_get_info()[0] - free > total / 4
        engine.wake()
        assert greedy_ids(engine, *PROMPTS) == adapted
        engine.use_adapter(None, 2)
        assert greedy_ids(engine, *PROMPTS) == bare
    finally:
        engine.close()


def test_two_cards_answer_like_one_network_of_transformers(tiny: Path) -> None:
    import torch

    if torch.cuda.device_count() < 2:
        pytest.skip("tensor parallelism needs two GPUs")
    answers = {}
    for name, more in (("vllm", {"tensor_parallel_size": 2}), ("hf", {})):
        engine = open_engine(settings_of(name, tiny, dtype="float32", **more))
        try:
            answers[name] = greedy_ids(engine, *PROMPTS)
        finally:
            engine.close()
    assert answers["vllm"] == answers["hf"]


def test_the_engine_reaches_95_percent_of_plain_generate(request: pytest.FixtureRequest) -> None:
    """Tokens per second against `LLM.generate` with every prompt at once: bench/engine_limit.py."""
    checkpoint = request.config.getoption("--checkpoint")
    if not checkpoint:
        pytest.skip("a tiny network measures the CPU: pass --checkpoint FOLDER (3B or 7B)")
    words = ["--pretrained", checkpoint, "--prompts", "1000", "--tokens", "512"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "engine_limit.py"), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    share = re.search(r"ours is ([0-9.]+) % of the limit", done.stdout)
    assert share, done.stderr[-3000:]
    assert float(share[1]) >= 95, done.stdout
