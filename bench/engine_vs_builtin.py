"""Our vLLM engine against lmms-eval's built-in `vllm_chat` backend: same vLLM, rows and samples.

    requirements/vllm_env.sh
    HF_HUB_OFFLINE=1 .venv-vllm/bin/python bench/engine_vs_builtin.py    # two CPU cores, 2 minutes

One `vllm.LLM` in one process answers for both, so weights, kernels and scheduler are the same; its
caches are emptied before each run. The built-in backend is asked as lmms-eval asks it: five
repeats are five requests. Answers cannot be compared: its five repeats with one seed are one text
five times, which is printed. Judge by the ratios; the times are this machine's.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from vigos_eval.engines.rendering import ImageLimits, load_processor
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.engines.tiny_checkpoint import write_tiny_checkpoint
from vigos_eval.engines.vllm import VLLMEngine
from vigos_eval.types import Decoding, EncodedImage, ImagePart, Message, Prompt, TextPart

QUESTION = "Which bar is the highest? Answer with its letter and reason step by step."


@dataclass
class Cost:
    """What one run cost.

    Attributes:
        seconds: Wall time of generation, requests built included.
        processor_s: CPU time of this process, all threads: steadier than wall time when the
            machine has other work. vLLM on a CPU runs inside this process.
        tokens: Sampled tokens.
        processed: Images that went through the checkpoint's image processor.
        encoded: Images stored anew as PNG for a data URL.
        distinct: Distinct texts among the samples of the first prompt.
    """

    seconds: float = 0.0
    processor_s: float = 0.0
    tokens: int = 0
    processed: int = 0
    encoded: int = 0
    distinct: int = 0


def chart(number: int, size: tuple[int, int]) -> bytes:
    """A bar chart as JPEG bytes, another one for each number."""
    draw = random.Random(number)
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    for bar in range(8):
        left = bar * size[0] // 8
        top = draw.randrange(size[1] // 2)
        color = tuple(draw.randrange(256) for _ in range(3))
        pen.rectangle((left + 4, top, left + size[0] // 8 - 4, size[1]), fill=color)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


@contextmanager
def counted(cost: Cost) -> Iterator[None]:
    """Count images through the processor and PNG encodings while the block runs."""
    from transformers import Qwen2VLImageProcessor

    preprocess, save = Qwen2VLImageProcessor.preprocess, Image.Image.save

    def counting_preprocess(self: Any, images: Any, *more: Any, **named: Any) -> Any:
        cost.processed += len(images) if isinstance(images, list) else 1
        return preprocess(self, images, *more, **named)

    def counting_save(self: Any, target: Any, format: Any = None, **named: Any) -> None:
        cost.encoded += format == "PNG"
        save(self, target, format, **named)

    Qwen2VLImageProcessor.preprocess = counting_preprocess
    Image.Image.save = counting_save
    try:
        yield
    finally:
        Qwen2VLImageProcessor.preprocess = preprocess
        Image.Image.save = save


def ours(engine: VLLMEngine, rows: list[bytes], decoding: Decoding) -> Cost:
    """Time our engine on the rows."""
    cost = Cost()

    def prompts() -> Iterator[Prompt]:
        for number, stored in enumerate(rows):
            image = EncodedImage(stored, hashlib.sha256(stored).hexdigest())
            turn = Message("user", (ImagePart(0), TextPart(QUESTION)))
            yield Prompt(str(number), (turn,), (image,))

    started, spent = time.perf_counter(), time.process_time()
    with counted(cost):
        answers = {answer.key: answer for answer in engine.generate(prompts(), decoding)}
    cost.seconds = time.perf_counter() - started
    cost.processor_s = time.process_time() - spent
    assert len(answers) == len(rows)
    cost.tokens = sum(s.tokens for a in answers.values() for s in a.completions)
    cost.distinct = len({s.text for s in answers["0"].completions})
    return cost


def builtin(model: Any, rows: list[bytes], decoding: Decoding, batch_size: int) -> Cost:
    """Time the built-in backend on the same rows, asked as lmms-eval asks it."""
    from lmms_eval.api.instance import Instance

    cost = Cost()
    documents = [Image.open(io.BytesIO(stored)) for stored in rows]
    model.task_dict = {"bench": {"test": documents}}
    model.batch_size_per_gpu = batch_size

    def messages(image: Image.Image) -> list[dict[str, Any]]:
        content = [{"type": "image", "url": image}, {"type": "text", "text": QUESTION}]
        return [{"role": "user", "content": content}]

    asked = {
        "max_new_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "top_k": decoding.top_k,
        "seed": decoding.seed,
    }
    requests = []
    for number in range(len(rows)):
        about = {"task": "bench", "doc_id": number, "repeats": decoding.n}
        arguments = ("", messages, asked, number, "bench", "test")
        requests += [Instance("generate_until", arguments, number, about)] * decoding.n
    chat = model.client.chat

    def counting_chat(*more: Any, **named: Any) -> Any:
        outputs = chat(*more, **named, use_tqdm=False)
        cost.tokens += sum(len(output.outputs[0].token_ids) for output in outputs)
        return outputs

    model.client.chat = counting_chat
    started, spent = time.perf_counter(), time.process_time()
    with counted(cost):
        results = model.generate_until(requests)
    cost.seconds = time.perf_counter() - started
    cost.processor_s = time.process_time() - spent
    model.client.chat = chat
    cost.distinct = len({result.text for result in results[: decoding.n]})
    return cost


def main() -> None:
    """Run both, print the table and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--side", type=int, default=640, help="image width, pixels; height is 3/4")
    parser.add_argument("--rounds", type=int, default=3, help="the one of least CPU time counts")
    parser.add_argument(
        "--no-cache", action="store_true", help="vLLM without its cache of processed images"
    )
    args = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    # One thread, not one per core: on a busy machine vLLM's threads wait for each other by spinning.
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    os.environ["OMP_NUM_THREADS"] = "1"
    from lmms_eval.models.chat.vllm import VLLM

    rows = [chart(number, (args.side, args.side * 3 // 4)) for number in range(args.prompts)]
    decoding = Decoding(
        n=5, temperature=1.0, top_p=0.9, top_k=20, max_new_tokens=args.tokens, seed=42
    )
    with tempfile.TemporaryDirectory() as folder:
        write_tiny_checkpoint(Path(folder))
        model = VLLM(
            model=folder, dtype="float32", enforce_eager=True, max_model_len=512, max_num_seqs=128,
            enable_chunked_prefill=False, skip_mm_profiling=True,
            limit_mm_per_prompt={"image": 1, "video": 0}, disable_log_stats=True,
            # The larger of this and the request's own would count; its default is 4,096.
            max_new_tokens=args.tokens, mm_processor_cache_gb=0 if args.no_cache else 4,
        )  # fmt: skip
        engine = VLLMEngine(
            llm=model.client,
            processor=load_processor(folder, (None, None), False),
            identity={},
            limits=ImageLimits(),
            settings=EngineSettings(engine="vllm", pretrained=folder),
            base=Path(folder),
        )
        runs: dict[str, Callable[[], Cost]] = {
            "ours": lambda: ours(engine, rows, decoding),
            "built-in, batch 8": lambda: builtin(model, rows, decoding, 8),
            "built-in, batch 1": lambda: builtin(model, rows, decoding, 1),
        }
        ours(engine, rows[:2], decoding)
        fastest: dict[str, Cost] = {}
        for _ in range(args.rounds):
            for name, run in runs.items():
                model.client.reset_prefix_cache()
                model.client.reset_mm_cache()
                cost = run()
                if name not in fastest or cost.processor_s < fastest[name].processor_s:
                    fastest[name] = cost
        print(f"\n{args.prompts} prompts x 5 samples x {args.tokens} tokens, {args.side} px wide")
        for name, cost in fastest.items():
            first = fastest["ours"]
            print(
                f"{name:18} {cost.seconds:7.2f} s  CPU {cost.processor_s:7.2f} s  "
                f"{cost.tokens / cost.seconds:6.0f} tokens/s  processor {cost.processed:4d} images  "
                f"PNG {cost.encoded:4d}  distinct {cost.distinct}/5  "
                f"ours is 1/{cost.seconds / first.seconds:.1f} (CPU 1/"
                f"{cost.processor_s / first.processor_s:.1f})"
            )
        model.client.llm_engine.engine_core.shutdown()


if __name__ == "__main__":
    main()
