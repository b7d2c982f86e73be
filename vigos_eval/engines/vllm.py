"""The vLLM engine, in process: our templated prompts and PIL images, one request with n samples.

Requests go in as fast as the window allows, so the scheduler never runs dry; adapters are swapped
while it runs. Starting vLLM is vllm_start.py's subject.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vigos_eval.engines.adapter import adapter_facts, check_fits, merged_checkpoint
from vigos_eval.engines.checkpoint import Checkpoint, find_checkpoint
from vigos_eval.engines.rendering import (
    ImageLimits,
    decoded_images,
    image_limits,
    load_processor,
    prompt_text,
)
from vigos_eval.engines.sampling import completion_of
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.engines.vllm_start import MEMORY_ADVICE, has_ranks, require_vllm, start_vllm
from vigos_eval.errors import EngineError, PromptRefused
from vigos_eval.types import Decoding, Generated, Prompt

# vLLM clamps a token's bias to this; at -100 nats it is never sampled.
NEVER = -100.0


@dataclass
class VLLMEngine:
    """Answers prompts with one vLLM engine in this process.

    Attributes:
        llm: A `vllm.LLM`.
        processor: The checkpoint's transformers processor; vLLM holds its own, limits the same.
        identity: See `base.Engine`.
        limits: Explicit image limits.
        settings: What it was built with.
        base: Folder of the full checkpoint that runs.
        adapter: The `vllm.lora.request.LoRARequest` that answers now, or None.
        merged: The temporary checkpoint that an adapter was merged into, or None.
    """

    llm: Any
    processor: Any
    identity: Mapping[str, str]
    limits: ImageLimits
    settings: EngineSettings
    base: Path
    adapter: Any = None
    merged: TemporaryDirectory[str] | None = None
    _adapter_ids: Iterator[int] = field(default_factory=lambda: count(1), repr=False)
    _request_ids: Iterator[int] = field(default_factory=count, repr=False)

    @classmethod
    def load(cls, settings: EngineSettings) -> VLLMEngine:
        """Start vLLM on a checkpoint folder, an adapter folder or a hub id.

        Raises:
            CheckpointError: It is not there, not whole, or the adapter fits another base.
            EngineError: vLLM is not installed, finds no device, or does not fit into memory.
            ConfigError: Image limits that the checkpoint does not know.
        """
        require_vllm()
        checkpoint = find_checkpoint(settings.pretrained, settings.revision)
        merged, rank = _served_adapter(checkpoint)
        base = checkpoint.folder if merged is None else Path(merged.name)
        asked = (settings.min_pixels, settings.max_pixels)
        processor = load_processor(str(base), asked, settings.trust_remote_code)
        limits = image_limits(processor, *asked)
        size = None if asked == (None, None) else dict(processor.image_processor.size)
        llm = start_vllm(base, settings, max(rank, settings.lora_rank), size)
        engine = cls(llm, processor, checkpoint.identity, limits, settings, base, merged=merged)
        if checkpoint.adapter is not None and merged is None:
            engine.use_adapter(checkpoint.adapter, version=0)
        return engine

    def use_adapter(self, folder: Path | None, version: int) -> None:
        """Answer with this adapter from now on, or with the bare base; no restart.

        Args:
            folder: A LoRA adapter folder that stays until the next call; None is the base.
            version: The training step it is from, for vLLM's log.

        Raises:
            CheckpointError: No LoRA adapter, or one for another base.
            EngineError: Its rank is above `lora_rank`, or it cannot be served beside the base.
        """
        engine = self.llm.llm_engine
        if folder is not None:
            facts = adapter_facts(folder)
            if facts.touches_vision or not facts.is_plain_lora:
                raise EngineError(
                    f"adapter {folder} touches the vision tower or is no plain LoRA: vllm cannot "
                    "swap it in. Train the language model only, or open the engine on it anew"
                )
            check_fits(folder, self.base)
            if facts.rank > (room := self._lora_room()):
                raise EngineError(
                    f"adapter {folder} has rank {facts.rank} and the engine room for {room}; "
                    f"open it with lora_rank={facts.rank}"
                )
        if self.adapter is not None:
            engine.remove_lora(self.adapter.lora_int_id)
            self.adapter = None
        if folder is None:
            return
        from vllm.lora.request import LoRARequest

        # A fresh id and name each time: prefix cache and adapter cache are keyed by them.
        serial = next(self._adapter_ids)
        request = LoRARequest(f"adapter-{version}-{serial}", serial, str(folder.resolve()))
        engine.add_lora(request)
        self.adapter = request

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        """See `base.Engine.generate`; yields in the order in which prompts finish."""
        from vllm.v1.engine.exceptions import EngineDeadError

        engine = self.llm.llm_engine
        parameters = _sampling_parameters(decoding)
        window = self.settings.window or self._full_window(decoding.n)
        waiting = iter(prompts)
        running: dict[str, str] = {}
        refused: PromptRefused | None = None
        try:
            while refused is None or running:
                try:
                    for prompt in islice(waiting, 0 if refused else window - len(running)):
                        running[self._submitted(prompt, parameters)] = prompt.key
                except PromptRefused as error:
                    refused = error  # what is under way has been paid for
                if not running:
                    break
                for output in engine.step():
                    if output.finished:
                        yield self._generated(running.pop(output.request_id), output, decoding.n)
        except EngineDeadError as error:
            running.clear()  # nobody is left to abort them
            raise EngineError(
                "vllm's engine died while it sampled; its own log above says why. The same command "
                f"goes on where this one stopped; if memory ran out, {MEMORY_ADVICE}"
            ) from error
        finally:
            if running:
                engine.abort_request(list(running))
        if refused is not None:
            raise refused

    def sleep(self) -> None:
        """Give the GPU's memory to training; without `is_sleep_enabled` nothing happens."""
        if self._sleeps():
            self.llm.sleep(level=1)

    def wake(self) -> None:
        """Take the memory back before the next `generate`."""
        if self._sleeps():
            self.llm.wake_up()

    def close(self) -> None:
        """Stop vLLM and remove the merged checkpoint, if there is one."""
        from vllm.distributed import cleanup_dist_env_and_memory

        self.llm.llm_engine.engine_core.shutdown()
        self.llm = None
        if not has_ranks():
            # Among ranks the process group is the host's, and vLLM has a process of its own.
            cleanup_dist_env_and_memory()
        if self.merged is not None:
            self.merged.cleanup()

    def _submitted(self, prompt: Prompt, parameters: Any) -> str:
        """Hand one prompt to the scheduler; returns the request's id."""
        text = prompt_text(prompt, self.processor, self.settings.chat_template)
        # Ids, not text: vLLM would add the tokenizer's special tokens to the template's own.
        request: dict[str, Any] = {
            "prompt_token_ids": self.processor.tokenizer(text, add_special_tokens=False).input_ids
        }
        if images := decoded_images(prompt, self.limits):
            request["multi_modal_data"] = {"image": images}
        identifier = str(next(self._request_ids))
        try:
            self.llm.llm_engine.add_request(
                identifier, request, parameters, lora_request=self.adapter
            )
        except ValueError as error:
            raise PromptRefused(
                prompt.key,
                f"prompt {prompt.key} is refused by vllm ({' '.join(str(error).split())}); lower "
                "max_pixels, raise max_model_len or limit_images, or pass skip_bad_rows=true",
            ) from error
        return identifier

    def _generated(self, key: str, output: Any, n: int) -> Generated:
        samples = sorted(output.outputs, key=lambda sample: sample.index)
        completions = [
            completion_of(
                list(sample.token_ids), sample.finish_reason == "stop", self.processor.tokenizer
            )
            for sample in samples
        ]
        # A greedy request holds one sample; the others would be the same text.
        copies = completions * n if len(completions) == 1 else completions
        if len(copies) != n or any(s.finish_reason not in ("stop", "length") for s in samples):
            reasons = [sample.finish_reason for sample in samples]
            raise EngineError(f"prompt {key}: vllm ended its {n} samples with {reasons}; run again")
        ids = tuple(output.prompt_token_ids)
        return Generated(key, len(ids), tuple(copies), ids)

    def _full_window(self, n: int) -> int:
        """Prompts that fill every place of the scheduler, and as many that wait ready."""
        places = self.llm.llm_engine.vllm_config.scheduler_config.max_num_seqs
        return 2 * -(-places // n)

    def _lora_room(self) -> int:
        config = self.llm.llm_engine.vllm_config.lora_config
        return 0 if config is None else config.max_lora_rank

    def _sleeps(self) -> bool:
        return bool(self.llm.llm_engine.vllm_config.model_config.enable_sleep_mode)


def _served_adapter(checkpoint: Checkpoint) -> tuple[TemporaryDirectory[str] | None, int]:
    """The folder an adapter had to be merged into, or the rank to keep room for."""
    if checkpoint.adapter is None:
        return None, 0
    check_fits(checkpoint.adapter, checkpoint.folder)
    facts = adapter_facts(checkpoint.adapter)
    if not facts.touches_vision and facts.is_plain_lora:
        return None, facts.rank
    merged = TemporaryDirectory(prefix="vigos-merged-")
    why = "touches the vision tower" if facts.touches_vision else "is no plain LoRA"
    print(
        f"note: adapter {checkpoint.adapter} {why}, which vllm cannot serve beside its base; "
        f"merged into {merged.name} for this run",
        file=sys.stderr,
        flush=True,
    )
    merged_checkpoint(checkpoint.adapter, checkpoint.folder, Path(merged.name))
    return merged, 0


def _sampling_parameters(decoding: Decoding) -> Any:
    """vLLM's parameters: one request with n samples, whose seeds vLLM makes seed + i."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    is_greedy = decoding.temperature == 0
    return SamplingParams(
        n=1 if is_greedy else decoding.n,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        top_k=decoding.top_k,
        max_tokens=decoding.max_new_tokens,
        seed=None if is_greedy else decoding.seed,
        logit_bias=dict.fromkeys(decoding.suppress_token_ids, NEVER) or None,
        # The text is decoded once, at the end, by the same call as on every engine.
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )
