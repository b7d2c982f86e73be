"""Who samples the rollouts: the trained network itself, vllm in this process, or a server.

vllm and servers get the adapter and never merged weights: the base stays as it was, bit for bit.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vigos_eval.engines.base import Engine
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import ConfigError
from vigos_eval.types import Completion, Decoding
from vigos_train.rollout import Asked, answered_ids
from vigos_train.student import Student

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vigos_train.config import TrainConfig
    from vigos_train.parallel import Parallel


HandOver = Callable[[Path, Callable[[], None]], None]


class AdapterEngine(Engine, Protocol):
    """An engine whose adapter can be swapped and whose memory can rest."""

    def use_adapter(self, folder: Path, version: int) -> None:
        """Answer with this adapter from now on."""
        ...

    def sleep(self) -> None:
        """Give memory to training."""
        ...

    def wake(self) -> None:
        """Take it back."""
        ...


class Sampler(Protocol):
    """Prompts -> one completion each, with the weights of this moment."""

    def sample(self, asked: Sequence[Asked], decoding: Decoding, step: int) -> list[Completion]:
        """One completion per prompt, in the order given; one engine call."""
        ...

    def close(self) -> None:
        """Give back memory and processes."""
        ...


@dataclass(frozen=True)
class OwnSampler:
    """The trained network samples itself (``rollout.engine: hf``)."""

    student: Student
    window: int = 0

    def sample(self, asked: Sequence[Asked], decoding: Decoding, step: int) -> list[Completion]:
        """See `Sampler`; a prompt's random stream follows from the decoding's seed and its key."""
        from vigos_eval.engines.sampling import completion_of, stream_seed
        from vigos_train.generation import Ask, sampled_ids

        asks = [Ask(a.ids, a.images, stream_seed(decoding.seed, a.prompt.key)) for a in asked]
        student = self.student
        written = sampled_ids(student.model, asks, decoding, student.stops, self.window)
        tokenizer = student.processor.tokenizer
        return [completion_of(ids, ids[-1] in student.stops, tokenizer) for ids in written]

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class EngineSampler:
    """An engine of the evaluation samples, given the adapter before every call.

    Attributes:
        engine: Takes prompts and adapters.
        hand_over: Writes the adapter of this moment into a folder, then calls the given function;
            every rank calls it, and none goes on before all have.
        folder: Where adapters are handed over.
        handed: The step whose adapter the engine has; -1 before the first.
    """

    engine: AdapterEngine
    hand_over: HandOver
    folder: Path
    handed: int = -1

    def sample(self, asked: Sequence[Asked], decoding: Decoding, step: int) -> list[Completion]:
        """See `Sampler`."""
        self.engine.wake()
        if step != self.handed:  # an evaluation asks with the weights of the step before it
            target = self.folder / f"step-{step:06d}"
            self.hand_over(target, lambda: self.engine.use_adapter(target, step))
            self.handed = step
        found = {g.key: g for g in self.engine.generate([a.prompt for a in asked], decoding)}
        self.engine.sleep()
        answered_ids((a, found[a.prompt.key].prompt_ids) for a in asked)
        return [found[a.prompt.key].completions[0] for a in asked]

    def close(self) -> None:
        """Close the engine and remove the handed-over adapters."""
        self.engine.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def open_sampler(
    config: TrainConfig,
    student: Student,
    hand_over: HandOver,
    folder: Path,
    parallel: Parallel,
) -> Sampler:
    """The sampler that the settings name.

    Args:
        config: The run.
        student: The network.
        hand_over: See `EngineSampler`.
        folder: Where adapters are handed over; a server must be able to read it.
        parallel: The main rank talks to servers about adapters.

    Raises:
        ConfigError: See `check_rollouts`.
        EngineError: The engine cannot run here.
    """
    check_rollouts(config, parallel)
    how = config.rollout
    if how.engine == "hf":
        return OwnSampler(student, how.window)
    settings = engine_settings(config)
    engine: AdapterEngine
    if how.engine == "server":
        from vigos_train.server_adapter import AdapterServers

        engine = AdapterServers(settings, parallel.is_main)
    else:
        from vigos_eval.engines.vllm import VLLMEngine

        with only_own_gpu():
            engine = VLLMEngine.load(settings)
    return EngineSampler(engine, hand_over, folder)


def check_rollouts(config: TrainConfig, parallel: Parallel) -> None:
    """Refuse an engine that cannot serve this run, before a model is loaded.

    Raises:
        ConfigError: FSDP with hf, vision adapters with an engine that swaps adapters, or more
            GPUs per engine than a rank has.
    """
    how = config.rollout
    if how.engine == "hf" and parallel.kind == "fsdp":
        raise ConfigError(
            "rollout.engine: hf with FSDP would gather every layer for every token; use "
            "rollout.engine: vllm or server"
        )
    if how.engine != "hf" and config.lora.train_vision:
        raise ConfigError(
            f"lora.train_vision with rollout.engine: {how.engine} would roll out without the "
            "vision adapter (vllm serves adapters of the language model only); use "
            "rollout.engine: hf"
        )
    if how.engine == "vllm" and how.tensor_parallel_size > 1 and parallel.ranks > 1:
        raise ConfigError(
            f"rollout.tensor_parallel_size {how.tensor_parallel_size} with {parallel.ranks} ranks: "
            "every rank's engine has that rank's GPU alone; use 1, or rollout.engine: server for "
            "an engine over several GPUs"
        )


def engine_settings(config: TrainConfig) -> EngineSettings:
    """The evaluation's settings of the rollout engine: the base, with room for the adapter."""
    how, model = config.rollout, config.model
    return EngineSettings(
        engine=how.engine,
        pretrained=model.pretrained,
        revision=model.revision,
        dtype=model.dtype,
        min_pixels=model.min_pixels,
        max_pixels=model.max_pixels,
        window=how.window,
        tensor_parallel_size=how.tensor_parallel_size,
        gpu_memory_utilization=how.gpu_memory_utilization,
        max_model_len=how.max_model_len,
        limit_images=how.limit_images,
        lora_rank=config.lora.rank,
        is_sleep_enabled=how.sleep,
        base_url=how.base_url,
    )


@contextmanager
def only_own_gpu() -> Iterator[None]:
    """This rank's GPU is the only one that an engine's processes started inside can see."""
    rank, ranks = os.environ.get("LOCAL_RANK"), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if rank is None or ranks == 1:
        yield
        return
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = before.split(",") if before else [str(i) for i in range(ranks)]
    changed: Mapping[str, Any] = {
        "CUDA_VISIBLE_DEVICES": visible[int(rank)],
        # The engine is a world of its own: it must not join torchrun's.
        **dict.fromkeys(("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"), None),
    }
    old = {name: os.environ.get(name) for name in changed}
    _set_environment(changed)
    try:
        yield
    finally:
        _set_environment(old)


def _set_environment(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
