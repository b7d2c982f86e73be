"""Model arguments: typos are named, every protocol is reachable, overrides are visible."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vigos_eval.errors import ConfigError
from vigos_eval.hosted import gen_overrides
from vigos_eval.model_args import (
    ENGINE_ARGS,
    JUDGE_ARGS,
    PROTOCOL_ARGS,
    RUN_ARGS,
    read_model_args,
)
from vigos_eval.paths import shipped
from vigos_eval.protocol import load_protocol, protocol_names, with_overrides


def test_without_arguments_the_protocol_is_the_papers() -> None:
    protocol = read_model_args({"pretrained": "x"}).protocol
    assert (protocol.name, protocol.repeats, protocol.vilp_repeats) == ("paper", 5, 1)
    assert (protocol.temperature, protocol.top_p, protocol.top_k) == (1.0, 0.9, 20)
    assert (protocol.max_new_tokens, protocol.seed) == (4096, 42)
    assert protocol.prefill == "<description>"


@pytest.mark.parametrize("name", protocol_names())
def test_every_shipped_protocol_loads_by_name(name: str) -> None:
    assert read_model_args({"pretrained": "x", "protocol": name}).protocol.name == name


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"pretrained": "x", "temprature": 1}, "unknown model arg 'temprature'; did you mean 'temperature'?"),
        ({"pretrained": "x", "protocol": "papr"}, "protocol='papr' does not exist; use one of demo,"),
        ({"pretrained": "x", "top_p": 1.5}, "top_p is 1.5; it must be in (0, 1]"),
        ({"pretrained": "x", "temperature": "inf"}, "temperature is inf; it must be a number >= 0"),
        ({"pretrained": "x", "top_k": "many"}, "top_k='many' is not a whole number"),
        ({"pretrained": "x", "skip_bad_rows": "maybe"}, "skip_bad_rows='maybe' is neither true nor false"),
        ({"pretrained": "x", "engine": "sglang"}, "engine='sglang' does not exist; use one of auto, hf"),
        ({"pretrained": "x", "control": "dark"}, "control='dark' does not exist; use one of blind, shuffled"),
        ({"pretrained": "x", "prefill": "<think>"}, "the only value is prefill=off"),
        ({"pretrained": "x", "engine": "server"}, "engine=server needs base_url="),
        ({"engine": "recorded"}, "engine=recorded needs run=DIR"),
        ({"pretrained": "x", "judge": "hybrid"}, "needs judge_model and judge_base_url"),
    ],
)  # fmt: skip
def test_a_bad_argument_is_named_with_what_is_allowed(
    args: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read_model_args(args)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("temperature: hot", "temperature is 'hot'; it must be a number"),
        ("top_k: 2.5", "top_k is 2.5; it must be a whole number"),
        ("repeats: yes", "repeats is True; it must be a whole number"),
        ("prompt: null", "prompt is None; it must be text"),
        ("judge: gpt", "must hold `name: value` lines"),
        ("temprature: 1", "unknown key 'temprature'"),
    ],
)
def test_a_protocol_file_of_the_users_own_is_read_with_care(
    line: str, message: str, tmp_path: Path
) -> None:
    shipped_text = (shipped("configs") / "protocols" / "plain.yaml").read_text()
    name = line.split(":")[0]
    kept = [row for row in shipped_text.splitlines() if not row.startswith(f"{name}:")]
    text = "\n".join(kept)
    if name == "prompt":
        text = text.replace("\n  {question}", "")
    (tmp_path / "my.yaml").write_text(f"{text}\n{line}\n")
    with pytest.raises(ConfigError) as refused:
        read_model_args({"pretrained": "x", "protocol": str(tmp_path / "my.yaml")})
    assert message in str(refused.value)


def test_gen_kwargs_that_are_no_number_are_named() -> None:
    with pytest.raises(ConfigError, match="temperature is 'hot'; it must be a number"):
        with_overrides(load_protocol("paper"), gen_overrides({"temperature": "hot"}))


def test_no_checkpoint_names_both_published_ones_the_local_form_and_the_demo() -> None:
    with pytest.raises(ConfigError) as refused:
        read_model_args({})
    for part in ("ViGOS-3B", "ViGOS-7B", "pretrained=./", "make demo"):
        assert part in str(refused.value)


def test_an_override_makes_the_protocol_visibly_custom() -> None:
    settings = read_model_args({"pretrained": "x", "max_new_tokens": "64"})
    assert (settings.protocol.name, settings.protocol.base) == ("custom", "paper")
    assert settings.protocol.max_new_tokens == 64


def test_no_prefill_is_a_custom_protocol() -> None:
    settings = read_model_args({"pretrained": "x", "prefill": "off"})
    assert settings.protocol.name == "custom"
    assert settings.protocol.prefill == ""
    assert not settings.engine.is_prefill_on


def test_a_judge_leaves_the_protocols_name() -> None:
    settings = read_model_args(
        {"pretrained": "x", "judge_model": "m", "judge_base_url": "http://localhost/v1"}
    )
    assert settings.protocol.name == "paper"
    assert settings.protocol.judge.mode == "hybrid"


def test_a_protocol_file_with_a_typo_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("prompt: '{question}'\nprefil: ''\n")
    with pytest.raises(ConfigError, match="unknown key 'prefil'"):
        read_model_args({"pretrained": "x", "protocol": str(path)})


def test_image_limits_reach_the_engine_through_the_protocol() -> None:
    settings = read_model_args({"pretrained": "x", "max_pixels": 50176})
    assert settings.engine.max_pixels == 50176
    assert settings.protocol.generation_fields()["max_pixels"] == 50176


def test_the_hosts_own_arguments_are_accepted() -> None:
    settings = read_model_args(
        {"pretrained": "x", "batch_size": "8", "max_batch_size": None, "device": "cuda:1"}
    )
    assert settings.engine.device_map == "cuda:1"


def test_the_docs_list_every_model_arg_and_no_other() -> None:
    page = (Path(__file__).parents[1] / "docs/model_args.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\|(.+?)\|", page, re.MULTILINE)
    documented = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert documented == {*PROTOCOL_ARGS, *JUDGE_ARGS, *ENGINE_ARGS, *RUN_ARGS}
