"""Engines on one checkpoint, each started once: hf anywhere, vllm and a real server with vLLM."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from vigos_eval.engines.base import Engine
from vigos_eval.engines.open import open_engine
from vigos_eval.engines.rendering import ImageLimits
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.types import Prompt

MAX_PIXELS = 16 * 28 * 28
CONTEXT = 512
# Ordinary tokens that this checkpoint's generation config declares to be ends, so that sampled
# answers of a random model do end.
EXTRA_STOPS = tuple(range(300, 330))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say why tests that need vLLM do not run in the ordinary environment."""
    if find_spec("vllm") is None:
        reason = "vLLM is not in this environment; `make test-vllm` builds one that has it"
        for item in items:
            if "vllm" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


@dataclass(frozen=True)
class Subject:
    """An engine under contract.

    Attributes:
        name: ``hf``, ``vllm`` or ``server``.
        engine: The engine.
        chances: The most likely first tokens after a prompt with their log-probabilities, nats.
    """

    name: str
    engine: Engine
    chances: Callable[[Prompt], dict[str, float]]


@pytest.fixture(scope="session")
def stopping(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with end tokens that only its generation config declares."""
    folder = tmp_path_factory.mktemp("stopping") / "checkpoint"
    shutil.copytree(tiny, folder)
    path = folder / "generation_config.json"
    config = json.loads(path.read_text())
    config["eos_token_id"] = [*config["eos_token_id"], *EXTRA_STOPS]
    path.write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def tokenizer(stopping: Path) -> Any:
    """The checkpoint's tokenizer, loaded past the engines."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(stopping)


def settings_of(engine: str, folder: Path, **more: Any) -> EngineSettings:
    """What every engine of the contract is opened with."""
    common = {"max_pixels": MAX_PIXELS, "max_model_len": CONTEXT, "max_num_seqs": 16}
    return EngineSettings(engine=engine, pretrained=str(folder), **{**common, **more})


@pytest.fixture(scope="session")
def hf(stopping: Path) -> Iterator[Subject]:
    """The transformers engine."""
    import torch

    engine: Any = open_engine(settings_of("hf", stopping))

    def chances(prompt: Prompt) -> dict[str, float]:
        values, ids = engine.next_token_logits(prompt).log_softmax(-1).topk(20)
        words = engine.processor.tokenizer.convert_ids_to_tokens(ids.tolist())
        return dict(zip(words, values.tolist(), strict=True))

    with torch.random.fork_rng():
        yield Subject("hf", engine, chances)
    engine.close()


@pytest.fixture(scope="session")
def vllm(stopping: Path) -> Iterator[Subject]:
    """vLLM in this process, with room for adapters."""
    engine: Any = open_engine(settings_of("vllm", stopping, lora_rank=8))

    def chances(prompt: Prompt) -> dict[str, float]:
        from vllm import SamplingParams

        from vigos_eval.engines.rendering import decoded_images, prompt_text

        request = {
            "prompt": prompt_text(prompt, engine.processor),
            "multi_modal_data": {"image": decoded_images(prompt, ImageLimits())},
        }
        parameters = SamplingParams(temperature=0, max_tokens=1, logprobs=20)
        output = engine.llm.generate([request], parameters, use_tqdm=False)[0].outputs[0]
        words = engine.processor.tokenizer.convert_ids_to_tokens
        return {words(token): chance.logprob for token, chance in output.logprobs[0].items()}

    yield Subject("vllm", engine, chances)
    engine.close()


@pytest.fixture(scope="session")
def server(stopping: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """`vllm serve` on loopback and the server engine in front of it."""
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    with served(stopping, log) as url:
        engine = open_engine(settings_of("server", stopping, base_url=url))

        def chances(prompt: Prompt) -> dict[str, float]:
            from tests.engines.asking import GREEDY
            from vigos_eval.engines.server_request import Wording, chat_request

            body = chat_request(prompt, GREEDY, Wording(str(stopping), ImageLimits()))
            body |= {"logprobs": True, "top_logprobs": 20, "max_tokens": 1}
            request = urllib.request.Request(
                f"{url}/chat/completions",
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=60) as reply:
                first = json.load(reply)["choices"][0]["logprobs"]["content"][0]
            return {str(each["bytes"]): each["logprob"] for each in first["top_logprobs"]}

        yield Subject("server", engine, chances)
        engine.close()


class served:
    """`vllm serve` on a free port of loopback, until the block ends."""

    def __init__(self, folder: Path, log: Path) -> None:
        """Name the checkpoint and where the server's own words go."""
        self.folder = folder
        self.log = log

    def __enter__(self) -> str:
        """Start and wait until it answers; returns the base URL."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        words = [
            *(str(Path(sys.executable).with_name("vllm")), "serve", str(self.folder)),
            *("--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"),
            *("--max-model-len", str(CONTEXT), "--max-num-seqs", "16", "--enforce-eager"),
            *("--no-enable-chunked-prefill", "--skip-mm-profiling"),
            *("--limit-mm-per-prompt", '{"image": 16, "video": 0}', "--max-logprobs", "20"),
        ]
        with self.log.open("w") as file:
            self.process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT)
        url = f"http://127.0.0.1:{port}/v1"
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{url}/models", timeout=5):
                    return url
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if self.process.poll() is not None:
                    break
                time.sleep(1)
        self.__exit__()
        pytest.fail(f"vllm serve did not come up:\n{self.log.read_text()[-3000:]}")

    def __exit__(self, *_: object) -> None:
        """End the server."""
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(
    params=[
        "hf",
        pytest.param("vllm", marks=pytest.mark.vllm),
        pytest.param("server", marks=pytest.mark.vllm),
    ]
)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each engine in turn."""
    found: Subject = request.getfixturevalue(request.param)
    return found


def same_chances(first: dict[str, float], second: dict[str, float]) -> bool:
    """The two distributions agree on every token they both name, within rounding."""
    common = first.keys() & second.keys()
    return len(common) >= len(first) // 2 and all(
        math.isclose(first[token], second[token], abs_tol=1e-3) for token in common
    )
