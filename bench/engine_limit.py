"""Tokens per second of the vllm engine against its limit: plain `LLM.generate`, all prompts at once.

    python bench/engine_limit.py --pretrained OedoSoldier/ViGOS-7B --prompts 1000 --tokens 1024
    .venv-vllm/bin/python bench/engine_limit.py --prompts 200        # CPU, the tiny checkpoint

The limit holds every image in memory and has nothing to do but sample; the engine slides a window
over the prompts, decodes images inside it and turns ids into text. Both use one `LLM`, whose caches
are emptied before each run. Aim: at least 95 % of the limit on a GPU; `pytest -m gpu
--checkpoint FOLDER` holds it to that.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine_vs_builtin import QUESTION, chart

from vigos_eval.engines.rendering import decoded_images, prompt_text
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.engines.tiny_checkpoint import write_tiny_checkpoint
from vigos_eval.engines.vllm import VLLMEngine
from vigos_eval.types import Decoding, EncodedImage, ImagePart, Message, Prompt, TextPart


def prompts(count: int, side: int) -> Iterator[Prompt]:
    """Charts with one question; made as they are asked for."""
    for number in range(count):
        stored = chart(number, (side, side * 3 // 4))
        image = EncodedImage(stored, hashlib.sha256(stored).hexdigest())
        yield Prompt(str(number), (Message("user", (ImagePart(0), TextPart(QUESTION))),), (image,))


def longest(side: int, tokens: int) -> int:
    """Tokens of prompt and answer: one per 28 x 28 pixels, and room for the question.

    >>> longest(640, 1024)
    1543
    """
    return side * (side * 3 // 4) // 28**2 + 128 + tokens


def limit(engine: VLLMEngine, asked: list[Prompt], decoding: Decoding) -> tuple[float, int]:
    """Seconds and tokens of plain `LLM.generate` with everything submitted at once."""
    from vllm import SamplingParams

    requests: list[dict[str, Any]] = [
        {
            "prompt": prompt_text(prompt, engine.processor),
            "multi_modal_data": {"image": decoded_images(prompt, engine.limits)},
        }
        for prompt in asked
    ]
    parameters = SamplingParams(
        n=decoding.n,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        top_k=decoding.top_k,
        max_tokens=decoding.max_new_tokens,
        seed=decoding.seed,
    )
    started = time.perf_counter()
    outputs = engine.llm.generate(requests, parameters, use_tqdm=False)
    return time.perf_counter() - started, sum(
        len(sample.token_ids) for output in outputs for sample in output.outputs
    )


def ours(engine: VLLMEngine, asked: list[Prompt], decoding: Decoding) -> tuple[float, int]:
    """Seconds and tokens of the engine, image decoding and texts included."""
    started = time.perf_counter()
    tokens = sum(s.tokens for a in engine.generate(asked, decoding) for s in a.completions)
    return time.perf_counter() - started, tokens


def main() -> None:
    """Run both in turn, print tokens per second and the share of the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pretrained", default="", help="checkpoint; default: the tiny one")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--side", type=int, default=640, help="image width, pixels")
    parser.add_argument("--max-model-len", type=int, default=0, help="0: prompt and answer fit")
    parser.add_argument(
        "--max-num-seqs", type=int, default=0, help="0: vllm's own; 128 for the tiny checkpoint"
    )
    parser.add_argument("--rounds", type=int, default=3, help="the fastest of so many counts")
    args = parser.parse_args()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    # One thread on a CPU: vLLM's threads wait for each other by spinning.
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    decoding = Decoding(
        n=5, temperature=1.0, top_p=0.9, top_k=20, max_new_tokens=args.tokens, seed=42
    )
    asked = list(prompts(args.prompts, args.side))
    with tempfile.TemporaryDirectory() as folder:
        if not args.pretrained:
            write_tiny_checkpoint(Path(folder))
        engine = VLLMEngine.load(
            EngineSettings(
                engine="vllm",
                pretrained=args.pretrained or folder,
                max_model_len=args.max_model_len or longest(args.side, args.tokens),
                max_num_seqs=args.max_num_seqs or (0 if args.pretrained else 128),
                limit_images=1,
            )
        )
        ours(engine, asked[:4], decoding)
        fastest: dict[str, tuple[float, int]] = {}
        for _ in range(args.rounds):
            for name, run in (("limit", limit), ("ours", ours)):
                engine.llm.reset_prefix_cache()
                engine.llm.reset_mm_cache()
                seconds, tokens = run(engine, asked, decoding)
                if name not in fastest or seconds < fastest[name][0]:
                    fastest[name] = (seconds, tokens)
        for name, (seconds, tokens) in fastest.items():
            print(f"{name:6} {seconds:8.2f} s {tokens / seconds:10.0f} tokens/s")
        rate = {name: tokens / seconds for name, (seconds, tokens) in fastest.items()}
        print(f"ours is {100 * rate['ours'] / rate['limit']:.1f} % of the limit")
        engine.close()


if __name__ == "__main__":
    main()
