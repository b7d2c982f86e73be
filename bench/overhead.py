"""Our own time per response and memory over 4,000 one-megapixel prompts x 5, with an engine that answers at once.

    python bench/overhead.py [--prompts 4000]

Rows lie in parquet, as on a user's disk; images stay encoded, as they do until an engine decodes
them. Prints milliseconds per response and the growth of resident memory.
"""

from __future__ import annotations

import argparse
import io
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from vigos_eval.asking import Asking, Question, ask
from vigos_eval.benchmarks import sample_from_row
from vigos_eval.finish import grade_run_folder
from vigos_eval.journal import Journal
from vigos_eval.progress import Progress
from vigos_eval.protocol import load_protocol
from vigos_eval.run_folder import RunDescription, TaskFacts, open_run
from vigos_eval.types import Completion, Decoding, Generated, Prompt

TEXT = "a chart with four bars, the tallest of them blue</description>\n<think>" + (
    "The blue bar reaches 42 and the next one 17. " * 40
)


class InstantEngine:
    """Answers at once, so that what is left is ours."""

    identity: Mapping[str, str] = {"bench": "instant"}

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        """n fixed completions per prompt."""
        for prompt in prompts:
            yield Generated(
                prompt.key,
                1500,
                tuple(
                    Completion(f"{TEXT}</think> \\boxed{{{'AB'[i % 2]}}}", 500, "stop")
                    for i in range(decoding.n)
                ),
            )

    def close(self) -> None:
        """Nothing to give back."""


def write_rows(path: Path, count: int) -> None:
    """`count` rows of the released MMMU's schema, each with its own one-megapixel JPEG."""
    random = np.random.default_rng(0)
    pictures = []
    for _ in range(16):
        blocks = random.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(blocks).resize((1000, 1000)).save(buffer, "JPEG", quality=90)
        pictures.append(buffer.getvalue())
    schema = pa.schema(
        {
            "problem": pa.string(),
            "images": pa.list_(pa.struct({"bytes": pa.binary(), "path": pa.string()})),
            "answer": pa.string(),
            "problem_id": pa.string(),
        }
    )
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, count, 100):
            rows = [
                {
                    "problem": f"Question {i}: which bar is tallest?\nA. blue\nB. red\nC. green",
                    # A comment behind the end marker makes every file another image.
                    "images": [{"bytes": pictures[i % 16] + str(i).encode(), "path": None}],
                    "answer": "A",
                    "problem_id": f"q{i}",
                }
                for i in range(start, min(start + 100, count))
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def resident_mib() -> float:
    """Resident memory now, MiB, file pages left out (parquet is mapped, the kernel may drop them)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return float(fields["RssAnon"].split()[0]) / 1024


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=4000)
    count = parser.parse_args().prompts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "test.parquet", count)
        rows = datasets.Dataset.from_parquet(
            str(folder / "test.parquet"), cache_dir=str(folder / "cache")
        )
        protocol = load_protocol("paper")
        run = folder / "run"
        facts = TaskFacts("paper", "bench", None, "test", count, 5)
        open_run(
            run,
            RunDescription("bench", {"bench": "instant"}, "hf", protocol, None, {"mmmu": facts}),
            started="bench",
        )
        questions = [
            Question("mmmu", "paper", i, 5, lambda i=i: sample_from_row("mmmu", rows[i], i))
            for i in range(count)
        ]
        before, start = resident_mib(), time.perf_counter()
        with Journal(run) as journal:
            engine = InstantEngine()
            asking = Asking(
                protocol=protocol,
                folder=run,
                journal=journal,
                engine=lambda: engine,
                is_skipping_bad_rows=False,
                is_saving_images=True,
            )
            ask(asking, questions, {}, Progress(count, is_shown=False))
        asked, grown = time.perf_counter() - start, resident_mib() - before
        start = time.perf_counter()
        grade_run_folder(run, protocol, is_allowing_ungraded=False)
        graded = time.perf_counter() - start
    print(f"{count} one-megapixel prompts x 5 = {count * 5} responses")
    print(
        f"asking: {asked / count / 5 * 1000:.2f} ms of ours per response, memory +{grown:.0f} MiB"
    )
    print(f"grading, scores: {graded / count / 5 * 1000:.2f} ms per response")
    print(f"peak resident: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
