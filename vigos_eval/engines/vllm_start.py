"""Starting vLLM: its arguments from our settings, and its failures as one clear line."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import connection
from pathlib import Path
from typing import Any

from vigos_eval.engines.settings import INSTALL_VLLM, EngineSettings
from vigos_eval.errors import EngineError

# The ranks that vLLM has kernels for; an adapter of rank 12 runs in room for 16.
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
IMAGES_PER_PROMPT = 16
RANK_VARIABLES = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)
# "Engine core initialization failed" is all that is known here of a core in its own process.
ABOUT_MEMORY = re.compile(r"memory|KV cache|max_model_len|initialization failed", re.IGNORECASE)
MEMORY_ADVICE = (
    "lower max_model_len, max_pixels or max_num_seqs, raise tensor_parallel_size, or free the GPU "
    "(gpu_memory_utilization is the share that vllm may take)"
)


def require_vllm() -> None:
    """Raise unless vLLM is installed and finds a device it can run on.

    Raises:
        EngineError: Not installed, or a GPU build on a machine without GPU.
    """
    if find_spec("vllm") is None:
        raise EngineError(f"engine=vllm: vllm is not installed; {INSTALL_VLLM}, or pass engine=hf")
    from vllm.platforms import current_platform

    if not current_platform.device_type:
        raise EngineError(
            "engine=vllm: this vllm finds no GPU here; pass engine=hf, or engine=server with a "
            "machine that has one"
        )


def start_vllm(folder: Path, settings: EngineSettings, lora_rank: int, image_size: Any) -> Any:
    """A `vllm.LLM` on a full checkpoint.

    Args:
        folder: The full checkpoint.
        settings: The user's.
        lora_rank: Room for one adapter of this rank; 0 serves none.
        image_size: The image processor's resolved limits, in its own words; None when the
            checkpoint's stand.

    Raises:
        EngineError: It does not start; the message carries vLLM's own reason.
    """
    from vllm import LLM
    from vllm.platforms import current_platform

    # By now the host has threads and may have asked for CUDA: a forked engine would inherit both.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    arguments = vllm_arguments(settings, lora_rank)
    if image_size is not None:
        arguments["mm_processor_kwargs"] = {"size": image_size}
    if current_platform.is_cpu():
        arguments |= _cpu_arguments()
    try:
        with own_process_among_ranks(settings.tensor_parallel_size):
            llm = LLM(model=str(folder), **arguments)
    except (ValueError, RuntimeError, AssertionError, NotImplementedError, OSError) as error:
        # torch.OutOfMemoryError is a RuntimeError.
        reason = one_line(error)
        advice = f"; {MEMORY_ADVICE}" if ABOUT_MEMORY.search(reason) else ""
        raise EngineError(f"engine=vllm does not start on {folder}: {reason}{advice}") from error
    announce_death(llm.llm_engine.engine_core)
    return llm


def announce_death(core: Any) -> None:
    """Have whoever waits for vLLM's next output be told when its engine's process is gone.

    TRAP: vLLM 0.24 tells of a crash, but not of a kill (the kernel's, for want of memory): its client
    notices, closes the sockets, and waits for an output for ever. Does nothing in one process.
    """
    from vllm.v1.engine.core_client import SyncMPClient
    from vllm.v1.engine.exceptions import EngineDeadError

    if not isinstance(core, SyncMPClient) or core.resources.engine_manager is None:
        return
    ends = [process.sentinel for process in core.resources.engine_manager.processes]
    outputs = core.outputs_queue

    def watch() -> None:
        connection.wait(ends)
        outputs.put(EngineDeadError(suppress_context=True))

    threading.Thread(target=watch, name="vllm-is-alive", daemon=True).start()


def has_ranks() -> bool:
    """torchrun or accelerate started several of us, each with an engine of its own."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def own_process_among_ranks(gpus: int) -> Iterator[None]:
    """Have a vLLM that is started inside the block run beside this rank, on the rank's GPUs alone.

    In this process it would find the host's process group, and destroy it when it ends; all ranks
    would take the first GPU. Does nothing when there are no ranks.

    Args:
        gpus: How many GPUs each rank takes (tensor_parallel_size).

    Raises:
        EngineError: There are fewer GPUs than the ranks of this machine need.
    """
    if not has_ranks():
        yield
        return
    import torch

    before = dict(os.environ)
    if torch.cuda.device_count():
        named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        there = named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]
        own = gpus_of_rank(there, int(os.environ.get("LOCAL_RANK", "0")), gpus)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(own)
    # A forked core would inherit the host's process group.
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    for name in before:
        # With TORCHELASTIC_USE_AGENT_STORE vLLM's worker waits for a store that nobody opens.
        if name.startswith("TORCHELASTIC_") or name in RANK_VARIABLES:
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def gpus_of_rank(there: Sequence[str], local_rank: int, gpus: int) -> Sequence[str]:
    """The GPUs that belong to a rank, in order.

    Args:
        there: All GPUs of this machine that we may use.
        local_rank: Which of the machine's processes this is.
        gpus: How many GPUs each takes (tensor_parallel_size).

    Raises:
        EngineError: There are not enough.

    >>> gpus_of_rank(["0", "1", "2", "3"], local_rank=1, gpus=2)
    ['2', '3']
    """
    own = there[local_rank * gpus : (local_rank + 1) * gpus]
    if len(own) < gpus:
        raise EngineError(
            f"engine=vllm: rank {local_rank} of this machine needs {gpus} GPUs of its own, but "
            f"there are {len(there)} for all; start {len(there) // gpus} processes"
        )
    return own


def one_line(error: Exception) -> str:
    """An error's own words on one line, without pydantic's frame around them.

    >>> one_line(ValueError("1 validation error for C\\n  Value error, too long [type=x]\\n    For further"))
    'too long'
    """
    words = " ".join(str(error).split()) or type(error).__name__
    inner = re.search(r"Value error, (.*?)(?: \[type=|$)", words)
    return (inner.group(1) if inner else words)[:400]


def vllm_arguments(settings: EngineSettings, lora_rank: int) -> dict[str, Any]:
    """Keyword arguments of `vllm.LLM`; what the user left alone is left to vLLM.

    >>> arguments = vllm_arguments(EngineSettings(max_model_len=8192), lora_rank=12)
    >>> arguments["max_model_len"], arguments["max_lora_rank"], "max_num_seqs" in arguments
    (8192, 16, False)
    """
    arguments: dict[str, Any] = {
        "dtype": settings.dtype,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "trust_remote_code": settings.trust_remote_code,
        "limit_mm_per_prompt": {
            "image": settings.limit_images or IMAGES_PER_PROMPT,
            "video": 0,
        },
        "enable_prefix_caching": True,
        "enable_sleep_mode": settings.is_sleep_enabled,
        # Every request carries its own seed; this one keeps vLLM's own draws repeatable.
        "seed": 0,
    }
    if settings.max_model_len:
        arguments["max_model_len"] = settings.max_model_len
    if settings.max_num_seqs:
        arguments["max_num_seqs"] = settings.max_num_seqs
    if lora_rank:
        if lora_rank > LORA_RANKS[-1]:
            raise EngineError(
                f"an adapter of rank {lora_rank}: vllm serves up to {LORA_RANKS[-1]}; "
                "merge it into its base and pass that folder"
            )
        arguments["enable_lora"] = True
        arguments["max_loras"] = 1
        arguments["max_lora_rank"] = next(rank for rank in LORA_RANKS if rank >= lora_rank)
    return arguments


def _cpu_arguments() -> dict[str, Any]:
    """What vLLM needs on a machine without GPU: float32, one process, whole prompts.

    Seeded sampling dies there with "CPU Generator does not use offset" once a prompt is read in
    chunks.
    """
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    return {
        "dtype": "float32",
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "skip_mm_profiling": True,
        "enable_sleep_mode": False,
    }
