"""The server engine against a local server with a fixed latency: throughput, memory, one client.

    .venv/bin/python bench/server_engine.py                 # 20,000 requests, about 20 s
    .venv/bin/python bench/server_engine.py --samples 5 --image-kb 300

Ideal is `concurrency / latency` requests per second. `client` is the engine; `httpx` is the same
official client on its default transport, for the comparison that chose aiohttp.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from vigos_eval.engines.server import ServerEngine
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.types import Decoding, EncodedImage, ImagePart, Message, Prompt, TextPart

TESTS = Path(__file__).parents[1] / "tests"


def noisy_jpeg(kilobytes: int) -> tuple[EncodedImage, ...]:
    """A JPEG of about that size, or nothing for 0."""
    if kilobytes == 0:
        return ()
    side = int((kilobytes * 1024 / 0.9) ** 0.5)
    noise = Image.frombytes("L", (side, side), random.Random(0).randbytes(side * side))
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=90)
    return (EncodedImage(file.getvalue(), hashlib.sha256(file.getvalue()).hexdigest()),)


def prompts(count: int, images: tuple[EncodedImage, ...]) -> Iterator[Prompt]:
    """Questions of a usual length."""
    shown = tuple(ImagePart(i) for i in range(len(images)))
    for number in range(count):
        parts = (*shown, TextPart(f"Problem {number}: " + "what is shown here? " * 30))
        yield Prompt(f"q{number}", (Message("user", parts),), images, "<description>")


def resident_mb() -> float:
    """Memory of this process now, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measured(url: str, args: argparse.Namespace) -> None:
    """Print throughput against the ideal and memory over the run."""
    engine = ServerEngine(
        EngineSettings(
            engine="server", pretrained="tiny", base_url=url, concurrency=args.concurrency
        )
    )
    how = Decoding(args.samples, 1.0, 0.9, 20, 2048, 42)
    images = noisy_jpeg(args.image_kb)
    marks = {args.requests * share // 10: 0.0 for share in range(1, 11)}
    # The first requests pay for connections and imports; the probe is not the engine's speed.
    for _ in engine.generate(prompts(args.concurrency * 4, images), how):
        pass
    answered = bytearray(args.requests)  # a set would grow, and look like the engine's memory
    began, busy = time.perf_counter(), time.process_time()
    for number, answer in enumerate(engine.generate(prompts(args.requests, images), how), 1):
        answered[int(answer.key[1:])] += 1
        if number in marks:
            marks[number] = resident_mb()
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    engine.close()
    assert answered == b"\x01" * args.requests, "a prompt was lost or answered twice"
    ideal = args.concurrency / args.latency
    rate = args.requests / seconds
    print(f"requests           {args.requests} x n={args.samples}, image {args.image_kb} kB")
    print(f"ideal              {ideal:7.0f} requests/s")
    print(f"client             {rate:7.0f} requests/s   {rate / ideal:6.1%} of ideal")
    print(f"CPU per request    {busy / args.requests * 1e3:7.2f} ms")
    print("memory, MB, at each tenth: " + " ".join(f"{mb:.1f}" for mb in marks.values()))


async def plain_client(url: str, args: argparse.Namespace, transport: str) -> None:
    """Print the bare official client's throughput with the same number of workers."""
    import openai

    inner = openai.DefaultAioHttpClient() if transport == "aiohttp" else None
    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=inner)
    count = min(args.requests, 2000)
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await client.chat.completions.create(
                model="tiny",
                messages=[{"role": "user", "content": f"{number}: " + "what is shown? " * 30}],
                max_tokens=2048,
                n=args.samples,
            )

    began, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(args.concurrency)))
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    await client.close()
    rate = count / seconds
    print(
        f"bare, {transport:7}      {rate:7.0f} requests/s   {rate * args.latency / args.concurrency:6.1%}"
        f" of ideal, {busy / count * 1e3:.2f} ms CPU per request"
    )


def main() -> None:
    """Start the server, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds")
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--image-kb", type=int, default=0)
    parser.add_argument("--bare", action="store_true", help="also the official client by itself")
    args = parser.parse_args()
    command = [sys.executable, str(TESTS / "chat_server.py"), "--latency", str(args.latency)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        measured(url, args)
        if args.bare:
            for transport in ("aiohttp", "httpx"):
                asyncio.run(plain_client(url, args, transport))
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
