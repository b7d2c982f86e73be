"""`vigos-train merge`: a full checkpoint that says what its adapter said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.train.runs import small_config, student_of
from vigos_eval.engines.hf import HFEngine
from vigos_eval.engines.settings import EngineSettings
from vigos_eval.errors import CheckpointError
from vigos_eval.types import ImagePart, Message, Prompt, TextPart
from vigos_train.cli import main
from vigos_train.loading import config_text
from vigos_train.merge import merge_adapter
from vigos_train.shapes import shape_rows
from vigos_train.tensors import adapter_tensors, save_adapter


@pytest.fixture(params=[False, True], ids=["language", "vision-too"])
def adapter(request: pytest.FixtureRequest, tmp_path: Path, tiny_folder: Path) -> Path:
    """A run folder's adapter with values that matter."""
    config = small_config(tmp_path, tiny_folder, lora__train_vision=request.param)
    student = student_of(config)
    for name, parameter in student.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    folder = tmp_path / "run" / "adapter"
    save_adapter(student.model, adapter_tensors(student.model), folder)
    (tmp_path / "run" / "config.yaml").write_text(config_text(config))
    return folder


def logits(pretrained: Path) -> torch.Tensor:
    row = shape_rows(1)[0]
    parts = (ImagePart(0), TextPart(row.problem))
    prompt = Prompt("k", (Message("user", parts),), row.images, "<description>")
    engine = HFEngine.load(EngineSettings(engine="hf", pretrained=str(pretrained), dtype="float32"))
    return engine.next_token_logits(prompt)


def test_merged_logits_are_the_adapters(adapter: Path, tmp_path: Path, tiny_folder: Path) -> None:
    out = tmp_path / "merged"
    assert main(["merge", str(adapter), str(out)]) == 0
    assert torch.allclose(logits(out), logits(adapter), atol=1e-4, rtol=0)
    assert (logits(out) - logits(tiny_folder)).abs().max() > 0.1


def test_the_checkpoint_is_complete_and_names_its_origin(adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    merge_adapter(adapter, out)
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "generation_config.json", "tokenizer_config.json"} <= names
    assert {"model.safetensors", "chat_template.jinja", "README.md"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt"))]
    card = (out / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["datasets"] == ["shapes"] and "vigos" in head["tags"]
    assert "Fingerprint of the settings" in card and "rank: 4" in card


def test_it_is_formed_in_float32_and_cast_once(adapter: Path, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    merge_adapter(adapter, whole)
    merge_adapter(adapter, half, "bfloat16")
    exact = load_file(whole / "model.safetensors")
    for name, value in load_file(half / "model.safetensors").items():
        assert torch.equal(value, exact[name].to(torch.bfloat16)), name


@pytest.mark.parametrize(
    ("what", "said"), [("base", "nothing to merge"), ("there", "is there already")]
)
def test_what_cannot_be_merged_is_said(
    adapter: Path, tmp_path: Path, tiny_folder: Path, what: str, said: str
) -> None:
    source, out = (tiny_folder, tmp_path / "new") if what == "base" else (adapter, adapter)
    with pytest.raises(CheckpointError, match=said):
        merge_adapter(source, out)
