"""A protocol: prompt, prefill, decoding, samples per question, image limits, extraction, judge.

Loads configs/protocols/*.yaml and applies overrides; every change makes it visibly `custom`.
Rendering a prompt is prompts.py's subject, reading data benchmarks'.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from vigos_eval.errors import ConfigError
from vigos_eval.paths import shipped
from vigos_eval.types import Decoding

VILP_TASKS = frozenset({"vilp_f", "vilp_p"})
JUDGE_MODES = ("rules", "hybrid", "llm")
EXTRACTIONS = ("boxed", "final_answer")

# A protocol file or --gen_kwargs may hold anything.
KINDS: tuple[tuple[str, tuple[type, ...], tuple[str, ...]], ...] = (
    ("text", (str,), ("prompt", "prefill", "extraction")),
    ("text", (str, type(None)), ("system", "chat_template")),
    ("a number", (int, float), ("temperature", "top_p")),
    ("a whole number", (int,), ("top_k", "max_new_tokens", "seed", "repeats", "vilp_repeats")),
    ("a whole number", (int, type(None)), ("min_pixels", "max_pixels")),
)


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """Who decides what rules leave open. Part of the grading fingerprint, never of generation's.

    Attributes:
        mode: ``rules`` asks nobody; ``hybrid`` asks for what rules leave open; ``llm`` asks for all.
        model: Model name at the endpoint; "" when mode is ``rules``.
        base_url: OpenAI-compatible endpoint, ending in ``/v1``.
        key_env: NAME of the environment variable that holds the key; "" for none.
        concurrency: Calls in flight at once.
        timeout_s: Limit per call, seconds.
    """

    mode: Literal["rules", "hybrid", "llm"] = "rules"
    model: str = ""
    base_url: str = ""
    key_env: str = ""
    concurrency: int = 32
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if self.mode not in JUDGE_MODES:
            raise ConfigError(f"judge mode is {self.mode!r}; use one of {', '.join(JUDGE_MODES)}")
        if self.mode != "rules" and not (self.model and self.base_url):
            raise ConfigError(
                f"judge mode {self.mode!r} needs judge_model and judge_base_url "
                "(an OpenAI-compatible endpoint such as http://localhost:8000/v1)"
            )
        if self.mode != "rules" and not self.base_url.startswith(("http://", "https://")):
            raise ConfigError(
                f"judge_base_url is {self.base_url!r}; it starts with http:// or https:// and "
                "ends in /v1, e.g. http://localhost:8000/v1"
            )
        if self.concurrency < 1 or not self.timeout_s > 0:
            raise ConfigError(
                f"judge_concurrency is {self.concurrency} and judge_timeout_s {self.timeout_s}; "
                "use at least 1 call and more than 0 seconds"
            )


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How questions are asked and answers taken. What `source` a row has is the task's, not ours.

    Attributes:
        name: The shipped protocol's name, or ``custom`` once anything was overridden.
        base: The shipped protocol it started from.
        prompt: User text; ``{question}`` is replaced.
        prefill: What the assistant's turn starts with; "" for none.
        system: System text; None leaves it to the chat template.
        extraction: ``boxed`` or ``final_answer``.
        temperature: 0 is greedy.
        top_p: Nucleus, in (0, 1].
        top_k: 0 is off.
        max_new_tokens: Tokens per response.
        seed: Seed of sample 0; sample i uses seed + i.
        repeats: Samples per question, main benchmarks.
        vilp_repeats: Samples per prompt, ViLP.
        min_pixels: Smallest image area, pixels; None takes the checkpoint's.
        max_pixels: Largest image area, pixels; None takes the checkpoint's.
        chat_template: Jinja text; None takes the checkpoint's.
        judge: Who decides what rules leave open.
    """

    name: str
    base: str
    prompt: str
    prefill: str
    system: str | None = None
    extraction: Literal["boxed", "final_answer"] = "boxed"
    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    seed: int
    repeats: int
    vilp_repeats: int
    min_pixels: int | None = None
    max_pixels: int | None = None
    chat_template: str | None = None
    judge: JudgeSettings = JudgeSettings()

    def __post_init__(self) -> None:
        for what, kinds, names in KINDS:
            for name in names:
                value = getattr(self, name)
                if not isinstance(value, kinds) or isinstance(value, bool):
                    raise ConfigError(
                        f"protocol {self.base}: {name} is {value!r}; it must be {what}"
                    )
        checks: list[tuple[str, bool, str]] = [
            ("prompt", "{question}" in self.prompt, "hold {question}"),
            ("extraction", self.extraction in EXTRACTIONS, f"be one of {', '.join(EXTRACTIONS)}"),
            ("temperature", 0 <= self.temperature < math.inf, "be a number >= 0"),
            ("top_p", 0 < self.top_p <= 1, "be in (0, 1]"),
            ("top_k", self.top_k >= 0, "be >= 0 (0 is off)"),
            ("max_new_tokens", self.max_new_tokens >= 1, "be >= 1"),
            ("repeats", self.repeats >= 1, "be >= 1"),
            ("vilp_repeats", self.vilp_repeats >= 1, "be >= 1"),
        ]
        for key, holds, must in checks:
            if not holds:
                raise ConfigError(
                    f"protocol {self.base}: {key} is {getattr(self, key)!r}; it must {must}"
                )

    def repeats_of(self, task: str) -> int:
        """Samples per question for a plain task name (without source suffix)."""
        return self.vilp_repeats if task in VILP_TASKS else self.repeats

    def decoding(self, n: int) -> Decoding:
        """The sampling settings for n samples per prompt."""
        return Decoding(
            n=n,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            max_new_tokens=self.max_new_tokens,
            seed=self.seed,
        )

    def generation_fields(self) -> dict[str, Any]:
        """What changes a generated text, for the generation fingerprint: no names, no judge."""
        values = asdict(self)
        for key in ("name", "base", "judge", "extraction"):
            del values[key]
        return values


def protocol_names() -> list[str]:
    """Names of the shipped protocols.

    >>> "paper" in protocol_names()
    True
    """
    return sorted(path.stem for path in (shipped("configs") / "protocols").glob("*.yaml"))


def load_protocol(name: str) -> Protocol:
    """A shipped protocol by name, or a YAML file by path (a name that ends in .yaml).

    Raises:
        ConfigError: No such protocol, an unknown key, or a value out of range.

    >>> load_protocol("paper").top_k
    20
    """
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else shipped("configs") / "protocols" / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(protocol_names())
        raise ConfigError(
            f"protocol={name!r} does not exist; use one of {known}, or a path to a .yaml file"
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("judge") or {}, dict):
        raise ConfigError(f"{path} must hold `name: value` lines, see the shipped protocols")
    known_keys = {f.name for f in fields(Protocol)} - {"name", "base"}
    if unknown := sorted(values.keys() - known_keys):
        raise ConfigError(
            f"{path}: unknown key {unknown[0]!r}; known: {', '.join(sorted(known_keys))}"
        )
    if missing := sorted(
        {
            "prompt",
            "prefill",
            "temperature",
            "top_p",
            "top_k",
            "max_new_tokens",
            "seed",
            "repeats",
            "vilp_repeats",
        }
        - values.keys()
    ):
        raise ConfigError(f"{path}: missing key {missing[0]!r}")
    judge = values.pop("judge", None)
    if judge is not None:
        known_judge = {f.name for f in fields(JudgeSettings)}
        if unknown := sorted(judge.keys() - known_judge):
            raise ConfigError(
                f"{path}: unknown key judge.{unknown[0]}; known: {', '.join(sorted(known_judge))}"
            )
        values["judge"] = JudgeSettings(**judge)
    stem = "custom" if is_path else name
    return Protocol(name=stem, base=path.stem, **values)


def with_overrides(protocol: Protocol, overrides: Mapping[str, Any]) -> Protocol:
    """The protocol with some values changed; it is named ``custom`` if any value really differs.

    Raises:
        ConfigError: A key that is no protocol setting, or a value out of range.

    >>> with_overrides(load_protocol("paper"), {"top_k": 50}).name
    'custom'
    >>> with_overrides(load_protocol("paper"), {"top_k": 20}).name
    'paper'
    """
    known = {f.name for f in fields(Protocol)} - {"name", "base"}
    if unknown := sorted(overrides.keys() - known):
        raise ConfigError(
            f"unknown protocol setting {unknown[0]!r}; known: {', '.join(sorted(known))}"
        )
    # The judge belongs to grading: adding one changes no generated text and no protocol name.
    changed = {k: v for k, v in overrides.items() if getattr(protocol, k) != v}
    if not changed:
        return protocol
    name = protocol.name if changed.keys() == {"judge"} else "custom"
    return replace(protocol, **{**changed, "name": name})


def fingerprint(values: Mapping[str, Any]) -> str:
    """Twelve hex digits over a mapping of JSON values; equal mappings, equal fingerprints.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
