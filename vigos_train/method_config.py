"""What is distilled: network, adapter, rows, loss and rollout, each knob with unit and source.

How the adapter moves, what is measured and written is config.py's subject. "paper" and "release"
name the source of a default; what neither fixes is marked "ours".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vigos_eval.errors import ConfigError

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def require(section: str, record: object, rules: dict[str, tuple[bool, str]]) -> None:
    """Raise a ConfigError for the first attribute whose rule does not hold.

    Args:
        section: Prefix of the setting's name, e.g. ``lora.``.
        record: The settings.
        rules: By attribute: whether its rule holds, and the rule in words.
    """
    for name, (holds, must) in rules.items():
        if not holds:
            raise ConfigError(f"{section}{name} is {getattr(record, name)!r}; it must {must}")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which network is distilled into itself.

    Attributes:
        pretrained: Local folder or hub id of the base (paper: Qwen2.5-VL 3B and 7B Instruct);
            ``tiny`` makes the tiny random checkpoint of the tests.
        revision: Hub revision; "" is the default branch.
        dtype: Of the frozen base; the adapter is always float32 (paper: bf16).
        attention: transformers' attention implementation (ours).
        min_pixels: Smallest image area, pixels; None takes the checkpoint's.
        max_pixels: Largest image area, pixels; None takes the checkpoint's (release: no limit).
    """

    pretrained: str = ""
    revision: str = ""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    min_pixels: int | None = None
    max_pixels: int | None = None


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """The trained part (paper, all values).

    Attributes:
        rank: Inner dimension.
        alpha: Scale: the update is weighted by alpha / rank.
        dropout: Fraction in [0, 1), in training mode only.
        targets: Names of the linear layers that get an adapter.
        train_vision: Also adapt the vision tower (the release matched its MLP by accident and
            never trained it; False is what the paper's runs did).
    """

    rank: int = 64
    alpha: int = 128
    dropout: float = 0.05
    targets: tuple[str, ...] = LORA_TARGETS
    train_vision: bool = False

    def __post_init__(self) -> None:
        require(
            "lora.",
            self,
            {
                "rank": (self.rank >= 1, "be >= 1"),
                "alpha": (self.alpha >= 1, "be >= 1"),
                "dropout": (0 <= self.dropout < 1, "be in [0, 1)"),
                "targets": (bool(self.targets), "name at least one layer"),
            },
        )


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which rows are trained on.

    Attributes:
        source: Hub id (also looked up as ``$VIGOS_DATA_ROOT/<id>``), a path to a ``.jsonl`` or
            ``.parquet`` file or a folder of parquet files, or ``shapes``: drawn rows for a smoke run.
        revision: Hub revision; "" is the default branch.
        split: Hub split, and the stem a parquet folder's files start with.
        problem: Column of the problem text.
        images: Column of one image or a list of them.
        answer: Column of the reference answer.
        max_rows: Rows used at most, from the start; 0 is all (paper: all, 1 epoch).
        held_out: Share of the IMAGES, fraction in [0, 0.5], kept for evaluation (ours); every
            row of a held-out image leaves training.
        shuffle: Draw the rows in random order (seeded by optim.seed).
    """

    source: str = "LMMs-Lab-Turtle/Vision-SR1-47K"
    revision: str = ""
    split: str = "train"
    problem: str = "problem"
    images: str = "images"
    answer: str = "answer"
    max_rows: int = 0
    held_out: float = 0.0
    shuffle: bool = True

    def __post_init__(self) -> None:
        require(
            "data.",
            self,
            {
                "source": (bool(self.source), "name a data set"),
                "max_rows": (self.max_rows >= 0, "be >= 0 (0 is all)"),
                "held_out": (0 <= self.held_out <= 0.5, "be in [0, 0.5]"),
            },
        )


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The distillation loss (paper; method in docs/training.md).

    Attributes:
        reasoning_prefix: What the reasoning teacher sees before the reasoning: ``student`` is
            the student's own description (paper), ``none`` only its own prompt (release).
        perception_weight: Weight of L_P.
        reasoning_weight: Weight of L_R.
        reference_weight: Weight of L_F, the malformed rows (vigos) or of the only term (opsd: 1).
        clip: Limit of one token's KL (``clip_mode: token``), nats, or of one vocabulary entry's
            term (``vocab``).
        clip_mode: ``token`` (paper), ``vocab`` (OPSD since March), ``none``. OPSD's own clip in
            the paper is not published: the same one is our choice.
        boundary_clip: Limit of the last description token's and the first reasoning token's KL,
            nats (release: 0.05); None is none of its own.
        temperature: Divides both logits (release: 1.0).
        normalisation: ``step`` divides by the counts of the whole optimizer step; ``micro_batch``
            takes the release's mean of means.
        chunk: Tokens projected on the vocabulary at a time (ours; memory only).
    """

    reasoning_prefix: Literal["student", "none"] = "student"
    perception_weight: float = 1.0
    reasoning_weight: float = 1.0
    reference_weight: float = 2.0
    clip: float = 0.05
    clip_mode: Literal["token", "vocab", "none"] = "token"
    boundary_clip: float | None = 0.05
    temperature: float = 1.0
    normalisation: Literal["step", "micro_batch"] = "step"
    chunk: int = 256

    def __post_init__(self) -> None:
        require(
            "loss.",
            self,
            {
                "perception_weight": (self.perception_weight >= 0, "be >= 0"),
                "reasoning_weight": (self.reasoning_weight >= 0, "be >= 0"),
                "reference_weight": (self.reference_weight >= 0, "be >= 0"),
                "clip": (self.clip > 0, "be > 0 (clip_mode: none turns it off)"),
                "boundary_clip": (
                    self.boundary_clip is None or self.boundary_clip > 0,
                    "be > 0, or null for none of its own",
                ),
                "temperature": (self.temperature > 0, "be > 0"),
                "chunk": (self.chunk >= 1, "be >= 1"),
            },
        )


@dataclass(frozen=True, kw_only=True)
class RolloutConfig:
    """How the student writes its own training text: one rollout per row.

    Attributes:
        engine: ``hf`` generates with the trained network itself; ``vllm`` in this process;
            ``server`` at a running ``vllm serve`` (needs VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 there
            and an output folder it can read).
        temperature: 0 is greedy (release: 1.1).
        top_p: Nucleus, in (0, 1] (release: 0.95).
        top_k: 0 is off (release: 20).
        max_new_tokens: Tokens per rollout (release: 4096).
        max_prompt_tokens: Longer prompts are skipped and counted, never cut (release: 32768).
        window: hf: rollouts generated side by side; 0 takes the engine's own (ours).
        base_url: server: as the evaluation's ``base_url``.
        tensor_parallel_size: vllm (paper: 1 for 3B, 2 for 7B).
        gpu_memory_utilization: vllm, fraction in (0, 1] of the card (ours).
        sleep: vllm: give the engine's memory back around the training step (ours).
        limit_images: vllm: images per prompt at most; 0 means 16.
        max_model_len: vllm, tokens of prompt and rollout together; 0 takes the checkpoint's.
    """

    engine: Literal["hf", "vllm", "server"] = "hf"
    temperature: float = 1.1
    top_p: float = 0.95
    top_k: int = 20
    max_new_tokens: int = 4096
    max_prompt_tokens: int = 32768
    window: int = 0
    base_url: str = ""
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.4
    sleep: bool = True
    limit_images: int = 0
    max_model_len: int = 0

    def __post_init__(self) -> None:
        require(
            "rollout.",
            self,
            {
                "temperature": (self.temperature >= 0, "be >= 0"),
                "top_p": (0 < self.top_p <= 1, "be in (0, 1]"),
                "top_k": (self.top_k >= 0, "be >= 0 (0 is off)"),
                "max_new_tokens": (self.max_new_tokens >= 1, "be >= 1"),
                "window": (self.window >= 0, "be >= 0 (0 takes the engine's own)"),
                "tensor_parallel_size": (self.tensor_parallel_size >= 1, "be >= 1"),
                "max_prompt_tokens": (self.max_prompt_tokens >= 1, "be >= 1"),
                "max_model_len": (
                    self.max_model_len == 0 or self.max_model_len > self.max_new_tokens,
                    f"be 0 or above rollout.max_new_tokens ({self.max_new_tokens}): prompt and "
                    "rollout share it",
                ),
                "gpu_memory_utilization": (0 < self.gpu_memory_utilization <= 1, "be in (0, 1]"),
                "base_url": (
                    bool(self.base_url) == (self.engine == "server"),
                    "be set for rollout.engine: server and for nothing else",
                ),
            },
        )
