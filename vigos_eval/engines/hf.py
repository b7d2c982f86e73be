"""The transformers engine: a laptop, a single GPU, or a model that training already holds.

One prompt with its n samples per forward pass: its texts depend on nothing but the prompt, the
decoding and the checkpoint. For thousands of prompts take vllm.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vigos_eval.engines.adapter import check_fits
from vigos_eval.engines.checkpoint import Checkpoint, find_checkpoint
from vigos_eval.engines.rendering import ImageLimits, image_limits, load_processor, model_inputs
from vigos_eval.engines.sampling import completion_of, next_tokens, stop_ids, uniform_draws
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import CheckpointError, ConfigError, EngineError, PromptRefused
from vigos_eval.types import Decoding, Generated, Prompt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class HFEngine:
    """Answers prompts with a transformers model, one prompt at a time.

    Attributes:
        model: An image-text-to-text model, or a PeftModel around one.
        processor: Its processor.
        identity: See `base.Engine`.
        limits: Explicit image limits.
        chat_template: Jinja text; None takes the checkpoint's.
        context: Longest prompt plus completion, tokens.
    """

    model: Any
    processor: Any
    identity: Mapping[str, str]
    limits: ImageLimits
    chat_template: str | None
    context: int

    @classmethod
    def from_model(
        cls,
        model: Any,
        processor: Any,
        identity: Mapping[str, str],
        chat_template: str | None = None,
    ) -> HFEngine:
        """An engine around a model in memory: training rolls out with the weights of this moment.

        The model is put into eval mode for each prompt and back into its own mode after it.
        """
        limits = image_limits(processor, None, None)
        return cls(model, processor, identity, limits, chat_template, _context_of(model))

    @classmethod
    def load(cls, settings: EngineSettings) -> HFEngine:
        """An engine on a checkpoint folder, an adapter folder or a hub id.

        Raises:
            CheckpointError: It is not there, not whole, or no image-text-to-text model.
            ConfigError: Image limits that the checkpoint does not know.
        """
        checkpoint = find_checkpoint(settings.pretrained, settings.revision)
        if checkpoint.adapter is not None:
            check_fits(checkpoint.adapter, checkpoint.folder)
        processor = load_processor(
            str(checkpoint.folder),
            (settings.min_pixels, settings.max_pixels),
            settings.trust_remote_code,
        )
        limits = image_limits(processor, settings.min_pixels, settings.max_pixels)
        model = _loaded_model(checkpoint, settings)
        context = min(_context_of(model), settings.max_model_len or _context_of(model))
        return cls(model, processor, checkpoint.identity, limits, settings.chat_template, context)

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        """See `base.Engine.generate`; yields in the order given, one prompt in memory at a time."""
        for prompt in prompts:
            yield self._answered(prompt, decoding)

    def next_token_logits(self, prompt: Prompt) -> Tensor:
        """Logits of the first token after the prefill, float32 (vocabulary,)."""
        import torch

        with torch.no_grad(), evaluating(self.model):
            inputs = self._inputs(prompt)
            return self.model(**inputs, use_cache=False, logits_to_keep=1).logits[0, -1].float()

    def close(self) -> None:
        """Let go of the model and of the GPU memory that nobody else holds."""
        import torch

        self.model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _inputs(self, prompt: Prompt) -> dict[str, Any]:
        inputs = model_inputs(prompt, self.processor, self.limits, self.chat_template)
        if (length := inputs["input_ids"].shape[1]) >= self.context:
            raise PromptRefused(
                prompt.key,
                f"prompt {prompt.key} has {length} tokens and the context holds {self.context}, "
                "answer included; lower max_pixels, raise max_model_len if it was set, or pass "
                "skip_bad_rows=true",
            )
        return {name: value.to(self.model.device) for name, value in inputs.items()}

    def _answered(self, prompt: Prompt, decoding: Decoding) -> Generated:
        import torch

        tokenizer = self.processor.tokenizer
        stops = stop_ids(self.model.generation_config.eos_token_id, tokenizer.eos_token_id)
        with torch.no_grad(), evaluating(self.model):
            inputs = self._inputs(prompt)
            prompt_ids = tuple(inputs["input_ids"][0].tolist())
            limit = min(decoding.max_new_tokens, self.context - len(prompt_ids))
            # By content: a text depends on prompt and seed alone, whatever the prompt's key.
            content = f"{prompt_ids} {[image.sha256 for image in prompt.images]}"
            draws = uniform_draws(decoding, limit, content).to(self.model.device)
            samples = _sampled(self.model, inputs, decoding, draws, stops)
        return Generated(
            key=prompt.key,
            prompt_tokens=len(prompt_ids),
            completions=tuple(completion_of(ids, ids[-1] in stops, tokenizer) for ids in samples),
            prompt_ids=prompt_ids,
        )


def _sampled(
    model: Any, inputs: Mapping[str, Any], decoding: Decoding, draws: Tensor, stops: frozenset[int]
) -> list[list[int]]:
    """Token ids of the n samples, the end token included.

    The prompt, images included, is read once; its cache is then copied for the n samples.

    Args:
        model: The network.
        inputs: The prompt as tensors.
        decoding: How to sample.
        draws: Each sample's random numbers (n, tokens at most), on the model's device.
        stops: End tokens.
    """
    _forget_positions(model)
    # Greedy samples are one and the same text.
    rows = decoding.n if decoding.temperature > 0 else 1
    limit = draws.shape[1]
    samples: list[list[int]] = [[] for _ in range(rows)]
    running = list(range(rows))
    seen = model(**inputs, use_cache=True, logits_to_keep=1)
    cache = seen.past_key_values
    cache.batch_repeat_interleave(rows)
    logits = seen.logits[:, -1].float().expand(rows, -1)
    for step in range(limit):
        tokens = next_tokens(logits, draws[running, step], decoding)
        for row, token in zip(running, tokens.tolist(), strict=True):
            samples[row].append(token)
        left = [place for place, row in enumerate(running) if samples[row][-1] not in stops]
        if not left or step + 1 == limit:
            break
        if len(left) < len(running):
            keep = tokens.new_tensor(left)
            cache.batch_select_indices(keep)
            tokens = tokens[keep]
            running = [running[place] for place in left]
        seen = model(
            input_ids=tokens[:, None], past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        logits = seen.logits[:, -1].float()
    return samples if decoding.temperature > 0 else samples * decoding.n


def _forget_positions(model: Any) -> None:
    """Clear the image position offset that Qwen-VL models keep from one call to the next.

    Left alone, a text-only prompt is decoded with the offset of the image prompt before it.
    """
    for module in model.modules():
        if hasattr(module, "rope_deltas"):
            module.rope_deltas = None


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Eval mode inside, every module's own mode after: a frozen tower must not come back training."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _context_of(model: Any) -> int:
    """Tokens the checkpoint's positions are made for, prompt and completion together."""
    return int(model.config.get_text_config().max_position_embeddings)


def _loaded_model(checkpoint: Checkpoint, settings: EngineSettings) -> Any:
    """The model on its device, adapter on top when there is one, in eval mode."""
    import torch
    from transformers import AutoModelForImageTextToText

    device = _device()
    own = "auto" if device.startswith("cuda") else "float32"
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            checkpoint.folder,
            dtype=own if settings.dtype == "auto" else settings.dtype,
            device_map=settings.device_map or None,
            trust_remote_code=settings.trust_remote_code,
            use_safetensors=True,
        )
        if not settings.device_map:
            model.to(device)
    except torch.OutOfMemoryError as error:
        raise EngineError(
            f"{checkpoint.folder} does not fit on {device}; pass device_map=auto, "
            "dtype=bfloat16 or engine=vllm,tensor_parallel_size=N"
        ) from error
    except (ValueError, KeyError, OSError, RuntimeError) as error:
        raise CheckpointError(
            f"{checkpoint.folder} does not load as an image-text-to-text model ({error})"
        ) from error
    if checkpoint.adapter is None:
        return model.eval()
    return _with_adapter(model, checkpoint)


def _with_adapter(model: Any, checkpoint: Checkpoint) -> Any:
    """The model with the adapter on top.

    Raises:
        CheckpointError: The adapter was made for another base.
    """
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, checkpoint.adapter).eval()
    except (ValueError, RuntimeError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"adapter {checkpoint.adapter} does not fit its base {checkpoint.folder} ({first}); "
            f"correct base_model_name_or_path in its adapter_config.json"
        ) from error


def _device() -> str:
    """This rank's GPU, else the CPU. torchrun and accelerate name the rank in LOCAL_RANK."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    if rank >= torch.cuda.device_count():
        raise ConfigError(
            f"rank {rank} on this machine has no GPU of its own ({torch.cuda.device_count()} "
            "here); start as many processes as there are GPUs"
        )
    return f"cuda:{rank}"
