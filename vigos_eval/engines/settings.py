"""What the user says about an engine: one frozen record, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from vigos_eval.errors import ConfigError

ENGINES = ("auto", "hf", "vllm", "server", "recorded")
DTYPES = ("auto", "float32", "bfloat16", "float16")
# The extra vigos[vllm]; named by package because vigos may have been installed from a folder.
INSTALL_VLLM = "pip install vllm==0.24.0"
LEAST = {
    "window": 0,
    "tensor_parallel_size": 1,
    "max_model_len": 0,
    "max_num_seqs": 0,
    "limit_images": 0,
    "lora_rank": 0,
}


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How to answer prompts with a checkpoint.

    Attributes:
        engine: ``auto`` takes vllm when it is installed and a GPU is there, else hf.
        pretrained: Local folder or hub id; a full checkpoint or a LoRA adapter. For ``server``
            the model name to ask for.
        revision: Hub revision; "" is the default branch.
        dtype: ``auto`` is the checkpoint's own on a GPU and float32 on a CPU.
        device_map: Passed to transformers (hf); "" puts the model on one device.
        min_pixels: Smallest image area, pixels; None takes the checkpoint's.
        max_pixels: Largest image area, pixels; None takes the checkpoint's.
        chat_template: Jinja text; None takes the checkpoint's.
        trust_remote_code: Run code from the checkpoint; off unless the user says so.
        window: Prompts in flight whose images may be decoded at once; 0 takes the engine's own.
        tensor_parallel_size: vllm.
        gpu_memory_utilization: vllm, fraction in (0, 1].
        max_model_len: vllm, tokens; 0 takes the checkpoint's.
        max_num_seqs: vllm; 0 takes vllm's.
        limit_images: vllm, images per prompt at most; 0 means 16.
        lora_rank: vllm: room for adapters of this rank that are swapped in while it runs; 0 is the
            rank of the adapter in `pretrained`, or no room.
        is_sleep_enabled: vllm: weights and cache can be put to sleep between rollouts (GPU only).
        base_url: server: one URL ending in /v1, or several joined by ``;``.
        key_env: server: NAME of the environment variable with the key; "" for none.
        concurrency: server: requests in flight at once over all URLs.
        timeout_s: server: limit per request, seconds.
        is_prefill_on: False sends no prefill (``prefill=off``; the protocol becomes custom).
        run: recorded: the run folder whose answers are replayed.
    """

    engine: str = "auto"
    pretrained: str = ""
    revision: str = ""
    dtype: str = "auto"
    device_map: str = ""
    min_pixels: int | None = None
    max_pixels: int | None = None
    chat_template: str | None = None
    trust_remote_code: bool = False
    window: int = 0
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.9
    max_model_len: int = 0
    max_num_seqs: int = 0
    limit_images: int = 0
    lora_rank: int = 0
    is_sleep_enabled: bool = False
    base_url: str = ""
    key_env: str = ""
    concurrency: int = 64
    timeout_s: float = 600.0
    is_prefill_on: bool = True
    run: str = ""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ConfigError(
                f"engine={self.engine!r} does not exist; use one of {', '.join(ENGINES)}"
            )
        if self.dtype not in DTYPES:
            raise ConfigError(
                f"dtype={self.dtype!r} does not exist; use one of {', '.join(DTYPES)}"
            )
        for name, least in LEAST.items():
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"{name}={value}; use {least} or more")
        if not 0 < self.gpu_memory_utilization <= 1:
            raise ConfigError(
                f"gpu_memory_utilization={self.gpu_memory_utilization} is no share of a GPU; use a "
                "fraction above 0 and up to 1, e.g. 0.9"
            )
        if self.engine == "server" and not self.base_url:
            raise ConfigError("engine=server needs base_url=http://HOST:PORT/v1")
        if self.engine == "recorded" and not self.run:
            raise ConfigError("engine=recorded needs run=DIR, a run folder with completions.jsonl")
