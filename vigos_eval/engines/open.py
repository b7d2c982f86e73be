"""Settings -> a running engine. Which engine `auto` means is decided here, and said aloud."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec

from vigos_eval.engines.base import Engine
from vigos_eval.engines.settings import EngineSettings


def open_engine(settings: EngineSettings) -> Engine:
    """Build the engine that the settings name; ``auto`` is resolved and its reason printed.

    Raises:
        CheckpointError: The checkpoint cannot be loaded as it lies there.
        EngineError: The engine cannot run here.
        ConfigError: A setting that this engine or checkpoint does not know.
    """
    if settings.engine == "auto":
        name, reason = automatic_engine()
        # stderr: stdout belongs to the host's result table.
        print(f"engine=auto: {name}, because {reason}", file=sys.stderr, flush=True)
        settings = replace(settings, engine=name)
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


def automatic_engine() -> tuple[str, str]:
    """The engine for this machine, ``vllm`` or ``hf``, and the reason in words."""
    import torch

    if not torch.cuda.is_available():
        return "hf", "there is no GPU here"
    if find_spec("vllm") is None:
        return "hf", "vllm is not installed (pip install 'vigos[vllm]' makes it much faster)"
    return "vllm", f"vllm is installed and {torch.cuda.get_device_name(0)} is here"
