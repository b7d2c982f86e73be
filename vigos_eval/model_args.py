"""`--model_args` -> protocol, engine settings and run options; every unknown name is an error.

Nothing is loaded here. lmms-eval hands values over already coerced (`2024` is an int, `true` a
bool), `vigos-eval run` as text; both are accepted.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import ConfigError
from vigos_eval.protocol import JudgeSettings, Protocol, load_protocol, with_overrides

HUB_IDS = ("OedoSoldier/ViGOS-3B", "OedoSoldier/ViGOS-7B")
CONTROLS = ("blind", "shuffled")

# Model arg -> the protocol's key, where the names differ.
PROTOCOL_ARGS = {
    **{
        name: name
        for name in (
            "temperature", "top_p", "top_k", "max_new_tokens", "seed", "min_pixels", "max_pixels",
            "system", "prefill", "repeats", "vilp_repeats", "extraction", "chat_template",
        )
    },
}  # fmt: skip
JUDGE_ARGS = {
    "judge": "mode",
    "judge_model": "model",
    "judge_base_url": "base_url",
    "judge_key_env": "key_env",
    "judge_concurrency": "concurrency",
    "judge_timeout_s": "timeout_s",
}
ENGINE_ARGS = frozenset(
    {
        "engine", "pretrained", "revision", "dtype", "device_map", "trust_remote_code", "window",
        "tensor_parallel_size", "gpu_memory_utilization", "max_model_len", "max_num_seqs",
        "limit_images", "base_url", "key_env", "concurrency", "timeout_s",
    }
)  # fmt: skip
RUN_ARGS = frozenset(
    {"protocol", "run", "control", "skip_bad_rows", "allow_ungraded", "save_images"}
)
# What lmms-eval itself adds to every model's arguments.
HOST_ARGS = frozenset({"batch_size", "max_batch_size", "device"})


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Everything `--model_args` said, checked.

    Attributes:
        protocol: How questions are asked.
        engine: How they are answered.
        run: The run folder; None for ``runs/<model>-<fingerprint>``.
        control: ``blind`` and ``shuffled`` replace the images: a diagnostic, never a score.
        is_skipping_bad_rows: Go on without rows whose image is unreadable, and count them.
        is_allowing_ungraded: Print scores although more than 1 % of questions are ungraded.
        is_saving_images: Keep the images in the run folder, for the viewer.
    """

    protocol: Protocol
    engine: EngineSettings
    run: Path | None = None
    control: Literal["blind", "shuffled"] | None = None
    is_skipping_bad_rows: bool = False
    is_allowing_ungraded: bool = False
    is_saving_images: bool = True


def read_model_args(args: Mapping[str, Any]) -> RunSettings:
    """The settings that `--model_args` asks for.

    Raises:
        ConfigError: An unknown name, a value of the wrong type or out of range, or no
            checkpoint named.

    >>> read_model_args({"pretrained": "x", "top_k": 50}).protocol.name
    'custom'
    """
    known = {*PROTOCOL_ARGS, *JUDGE_ARGS, *ENGINE_ARGS, *RUN_ARGS}
    if unknown := sorted(args.keys() - known - HOST_ARGS):
        near = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ConfigError(
            f"unknown model arg {unknown[0]!r}{hint} Known: {', '.join(sorted(known))}"
        )
    protocol = load_protocol(str(args.get("protocol", "paper")))
    overrides = {
        PROTOCOL_ARGS[name]: _as_type(name, args[name], PROTOCOL_TYPES[PROTOCOL_ARGS[name]])
        for name in args
        if name in PROTOCOL_ARGS and name != "prefill"
    }
    is_prefill_on = True
    if "prefill" in args:
        if str(args["prefill"]).lower() not in ("off", "false"):
            raise ConfigError(
                f"prefill={args['prefill']!r}: the only value is prefill=off; another prefill "
                "belongs into a protocol file (protocol=my.yaml)"
            )
        is_prefill_on = False
        overrides["prefill"] = ""
    if "chat_template" in overrides:
        overrides["chat_template"] = _file_text("chat_template", overrides["chat_template"])
    overrides["judge"] = _judge(args, protocol.judge)
    protocol = with_overrides(protocol, overrides)
    control = args.get("control")
    if control is not None and control not in CONTROLS:
        raise ConfigError(f"control={control!r} does not exist; use one of {', '.join(CONTROLS)}")
    run = Path(str(args["run"])) if "run" in args else None
    return RunSettings(
        protocol=protocol,
        engine=_engine(args, protocol, is_prefill_on),
        run=run,
        control=control,
        is_skipping_bad_rows=_as_type("skip_bad_rows", args.get("skip_bad_rows", False), bool),
        is_allowing_ungraded=_as_type("allow_ungraded", args.get("allow_ungraded", False), bool),
        is_saving_images=_as_type("save_images", args.get("save_images", True), bool),
    )


def _engine(args: Mapping[str, Any], protocol: Protocol, is_prefill_on: bool) -> EngineSettings:
    blank = EngineSettings()
    values = {
        name: _as_type(name, args[name], type(getattr(blank, name)))
        for name in args
        if name in ENGINE_ARGS
    }
    if values.get("engine") == "recorded":
        values["run"] = str(args.get("run", ""))
    elif not values.get("pretrained"):
        raise ConfigError(
            "no checkpoint named: add --model_args pretrained=CHECKPOINT, where CHECKPOINT is "
            f"{HUB_IDS[0]}, {HUB_IDS[1]} or a local folder (pretrained=./my_checkpoint, a LoRA "
            "adapter works too); to try the tool without one: make demo"
        )
    device = str(args.get("device") or "")
    if device and not values.get("device_map") and device != "auto":
        values["device_map"] = device
    return replace(
        EngineSettings(**values),
        min_pixels=protocol.min_pixels,
        max_pixels=protocol.max_pixels,
        chat_template=protocol.chat_template,
        is_prefill_on=is_prefill_on,
    )


def _judge(args: Mapping[str, Any], default: JudgeSettings) -> JudgeSettings:
    given = {JUDGE_ARGS[name]: args[name] for name in args if name in JUDGE_ARGS}
    if not given:
        return default
    if "mode" not in given and {"model", "base_url"} <= given.keys():
        given["mode"] = "hybrid"
    typed = {k: _as_type(f"judge {k}", v, type(getattr(default, k))) for k, v in given.items()}
    return replace(default, **typed)


PROTOCOL_TYPES: dict[str, type] = {
    "temperature": float, "top_p": float, "top_k": int, "max_new_tokens": int, "seed": int,
    "min_pixels": int, "max_pixels": int, "system": str, "repeats": int, "vilp_repeats": int,
    "extraction": str, "chat_template": str,
}  # fmt: skip


def _as_type(name: str, value: object, kind: type) -> Any:
    """The value as bool, int, float or str.

    Raises:
        ConfigError: It does not read as that type.
    """
    if kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if str(value).lower() not in words:
            raise ConfigError(f"{name}={value!r} is neither true nor false")
        return words[str(value).lower()]
    readers: dict[type, Callable[[str], Any]] = {int: int, float: float, str: str}
    try:
        return readers[kind](str(value))
    except ValueError as error:
        what = {int: "a whole number", float: "a number"}[kind]
        raise ConfigError(f"{name}={value!r} is not {what}") from error


def _file_text(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{name}={path!r} cannot be read: {error.strerror}") from error
