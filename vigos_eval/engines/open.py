"""Settings -> a running engine. Which engine `auto` means is decided here, and said aloud."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec

from vigos_eval.engines.base import Engine
from vigos_eval.engines.settings import INSTALL_VLLM, EngineSettings


def open_engine(settings: EngineSettings) -> Engine:
    """Build the engine that the settings name; ``auto`` is resolved and its reason printed.

    Raises:
        CheckpointError: The checkpoint cannot be loaded as it lies there.
        EngineError: The engine cannot run here.
        ConfigError: A setting that this engine or checkpoint does not know.
    """
    settings = resolved_settings(settings)
    if settings.engine == "vllm":
        from vigos_eval.engines.vllm import VLLMEngine

        return VLLMEngine.load(settings)
    if settings.engine == "server":
        from vigos_eval.engines.server import ServerEngine

        return ServerEngine(settings)
    if settings.engine == "recorded":
        from vigos_eval.engines.recorded import RecordedEngine

        return RecordedEngine(settings)
    from vigos_eval.engines.hf import HFEngine

    return HFEngine.load(settings)


def resolved_settings(settings: EngineSettings) -> EngineSettings:
    """The settings with ``auto`` replaced by the engine it means here, which is printed."""
    if settings.engine != "auto":
        return settings
    name, reason = automatic_engine()
    # stderr: stdout belongs to the host's result table.
    print(f"engine=auto: {name}, because {reason}", file=sys.stderr, flush=True)
    return replace(settings, engine=name)


def automatic_engine() -> tuple[str, str]:
    """The engine for this machine, ``vllm`` or ``hf``, and the reason in words."""
    import torch

    # Not is_available() or get_device_name(): each of eight ranks would then hold memory of GPU 0,
    # and no vllm could be forked any more.
    gpus = torch.cuda.device_count()
    if gpus == 0:
        return "hf", "there is no GPU here"
    if find_spec("vllm") is None:
        return "hf", f"vllm is not installed ({INSTALL_VLLM} makes it much faster)"
    return "vllm", f"vllm is installed and {gpus} GPU{'s are' if gpus > 1 else ' is'} here"
