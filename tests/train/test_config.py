"""Training settings: one YAML, typed, a typo is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vigos_eval.errors import ConfigError
from vigos_train.config import OptimConfig, TrainConfig
from vigos_train.loading import config_fields, config_text, load_config, replaced

PRESETS = Path(__file__).parents[2] / "configs" / "train"
PAPER = {
    "optim.epochs": 1.0,
    "optim.batch_size": 32,
    "optim.learning_rate": 5e-6,
    "optim.schedule": "linear",
    "optim.warmup_steps": 0,
    "optim.weight_decay": 0.0,
    "optim.max_grad_norm": 0.1,
    "optim.gradient_checkpointing": True,
    "optim.seed": 42,
    "model.dtype": "bfloat16",
    "lora.rank": 64,
    "lora.alpha": 128,
    "lora.dropout": 0.05,
    "lora.train_vision": False,
    "rollout.temperature": 1.1,
    "rollout.top_p": 0.95,
    "rollout.top_k": 20,
    "rollout.max_new_tokens": 4096,
    "rollout.max_prompt_tokens": 32768,
    "loss.clip": 0.05,
    "loss.clip_mode": "token",
    "loss.reasoning_prefix": "student",
    "loss.perception_weight": 1.0,
    "loss.reasoning_weight": 1.0,
    "loss.reference_weight": 2.0,
    "data.source": "LMMs-Lab-Turtle/Vision-SR1-47K",
}


def written(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["vigos_3b", "vigos_7b", "opsd_3b", "opsd_7b"])
def test_the_presets_are_the_papers_settings(name: str) -> None:
    config = load_config(PRESETS / f"{name}.yaml")
    fields = config_fields(config)
    assert {key: fields[key] for key in PAPER} == PAPER
    assert config.method == name.partition("_")[0]
    # 3B: 2 per device x 2; 7B: 1 x 4; both on 8 GPUs.
    assert config.optim.accumulation(ranks=8) == (2 if name.endswith("3b") else 4)


def test_release_parity_differs_in_what_the_release_does_otherwise() -> None:
    fields = config_fields(load_config(PRESETS / "release_parity.yaml"))
    changed = {"loss.reasoning_prefix": "none"}
    assert {key: fields[key] for key in PAPER} == PAPER | changed
    assert fields["loss.normalisation"] == "micro_batch"


def test_every_preset_loads_and_opens_with_the_command_that_runs_it() -> None:
    presets = sorted(PRESETS.rglob("*.yaml"))
    assert len(presets) >= 6
    for path in presets:
        load_config(path)
        first = path.read_text().splitlines()[0]
        assert f"run configs/train/{path.name}" in first
        assert "Hardware:" in path.read_text().splitlines()[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("methd: vigos", "unknown key 'methd'", id="typo"),
        pytest.param(
            "lora:\n  rnk: 4", "lora: unknown key 'rnk'; known: rank", id="typo-in-section"
        ),
        pytest.param("method: grpo", "use one of 'vigos', 'opsd'", id="unknown-choice"),
        pytest.param("lora:\n  rank: big", "must be a whole number", id="wrong-type"),
        pytest.param("lora:\n  rank: true", "must be a whole number", id="bool-is-no-number"),
        pytest.param("optim:\n  learning_rate: fast", "must be a number", id="no-number"),
        pytest.param("lora: 8", "must be a section", id="value-for-section"),
        pytest.param("lora:\n  targets: 7", "must be a list of texts", id="number-for-list"),
        pytest.param("rollout:\n  top_p: 1.5", "rollout.top_p is 1.5", id="out-of-range"),
        pytest.param("optim:\n  warmup_steps: -1", "optim.warmup_steps is -1", id="negative"),
        pytest.param("evaluation:\n  every: -5", "evaluation.every is -5", id="never-is-0"),
        pytest.param("loss:\n  boundary_clip: 0", "or null for none", id="clip-of-nothing"),
        pytest.param("rollout:\n  engine: server", "rollout.base_url", id="server-without-url"),
        pytest.param(
            "rollout:\n  max_model_len: 4096",
            "be 0 or above rollout.max_new_tokens (4096)",
            id="no-room-for-a-prompt",
        ),
        pytest.param("- a\n- b", "must hold keys and values", id="a-list"),
        pytest.param("a: [", "is not YAML", id="not-yaml"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_number_without_a_dot_is_still_a_number(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "optim:\n  learning_rate: 5e-6"))
    assert config.optim.learning_rate == 5e-6


def test_a_set_word_wins_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "optim:\n  seed: 1\n  batch_size: 8")
    config = load_config(path, ["optim.seed=7", "method=opsd", "loss.boundary_clip=null"])
    assert (config.optim.seed, config.optim.batch_size) == (7, 8)
    assert (config.method, config.loss.boundary_clip) == ("opsd", None)


def test_a_list_may_be_written_as_its_only_text(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "output:\n  report_to: wandb"))
    assert config.output.report_to == ("wandb",)


def test_a_set_word_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set 'data.source=\[': the value is not YAML"):
        load_config(written(tmp_path, ""), ["data.source=["])


def test_the_saved_config_reads_back_as_the_same_run(tmp_path: Path) -> None:
    config = replaced(TrainConfig(), optim__seed=7, output__report_to=("tensorboard",))
    assert load_config(written(tmp_path, config_text(config))) == config


def test_a_batch_that_does_not_divide_says_which_would() -> None:
    with pytest.raises(ConfigError, match=r"32 does not divide .* 3 x 2 ranks; .* 30 or 36"):
        OptimConfig(batch_size=32, per_device=3).accumulation(ranks=2)


def test_the_command_says_a_users_error_in_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, "methd: vigos")
    done = subprocess.run(
        [sys.executable, "-m", "vigos_train", "run", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "unknown key 'methd'" in done.stderr


def test_help_and_settings_load_nothing_heavy() -> None:
    code = (
        "import sys, vigos_train.cli, vigos_train.loading, vigos_train.data, vigos_train.shapes;"
        "sys.exit(str({'torch', 'transformers', 'datasets', 'trl', 'peft', 'lmms_eval'}"
        " & set(sys.modules) or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_config_that_is_not_there_names_the_presets_and_their_place(tmp_path: Path) -> None:
    """An installed package has no configs/ beside the user: the place is told whole."""
    with pytest.raises(ConfigError, match="is no file; presets in .*smoke.yaml") as refused:
        load_config(tmp_path)
    assert str(PRESETS) in str(refused.value)
