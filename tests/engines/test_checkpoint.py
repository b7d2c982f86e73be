"""A checkpoint folder is judged before anything heavy is imported; the message names the way out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.adapters import EVERYWHERE, write_adapter
from vigos_eval.engines.adapter import adapter_facts, check_fits
from vigos_eval.engines.checkpoint import find_checkpoint
from vigos_eval.errors import CheckpointError


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint to break."""
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


@pytest.fixture(scope="module")
def adapter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter on the tiny checkpoint."""
    return write_adapter(tiny, tmp_path_factory.mktemp("adapter"), seed=1)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def lfs_pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")


BREAKAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("no-config", lambda f: (f / "config.json").unlink(), r"no config\.json .*save_pretrained"),
    ("config-is-no-json", lambda f: (f / "config.json").write_text("{"), "is not JSON"),
    ("no-weights", lambda f: (f / "model.safetensors").unlink(), "has no weights"),
    (
        "pickled-weights-only",
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        r"pytorch_model\.bin is a pickle, which is never loaded",
    ),
    ("torn-download", lambda f: cut(f / "model.safetensors"), r"has \d+ of \d+ bytes; fetch"),
    ("git-lfs-pointer", lambda f: lfs_pointer(f / "model.safetensors"), "git-lfs pointer"),
    ("no-tokenizer", lambda f: (f / "tokenizer.json").unlink(), "no tokenizer file"),
    ("no-processor", lambda f: (f / "processor_config.json").unlink(), "no processor file"),
]


@pytest.mark.parametrize(
    ("breaking", "message"), [pytest.param(b, m, id=i) for i, b, m in BREAKAGE]
)
def test_a_broken_checkpoint_is_named_with_the_way_out(
    copy: Path, breaking: Callable[[Path], object], message: str
) -> None:
    breaking(copy)
    with pytest.raises(CheckpointError, match=message) as caught:
        find_checkpoint(str(copy))
    assert str(copy) in str(caught.value)


def test_a_missing_shard_is_named(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-2.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"1 of 2 weight files are missing, e\.g\. model-2"):
        find_checkpoint(str(copy))


@pytest.mark.parametrize("pretrained", ["/no/such/folder", "./here", "just-a-word", ""])
def test_what_is_no_folder_and_no_hub_id_says_so(pretrained: str) -> None:
    with pytest.raises(CheckpointError, match=r"pretrained=.*make demo"):
        find_checkpoint(pretrained)


def test_a_hub_that_cannot_be_reached_names_the_id_and_the_local_form() -> None:
    with pytest.raises(CheckpointError, match=r"nobody/nothing.*pretrained=/its/folder.*make demo"):
        find_checkpoint("nobody/nothing")


def test_an_adapters_missing_base_is_named(adapter: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(adapter, tmp_path / "alone")
    config = json.loads((alone / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "/gone/base"
    (alone / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"its base '/gone/base' is missing here"):
        find_checkpoint(str(alone))


def test_an_adapter_without_weights_is_named(adapter: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(adapter, tmp_path / "alone")
    (alone / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"has no adapter_model\.safetensors"):
        find_checkpoint(str(alone))


def test_identity_is_the_content_and_not_the_place(tiny: Path, copy: Path) -> None:
    here, there = find_checkpoint(str(tiny)), find_checkpoint(str(copy))
    assert here.identity == there.identity
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(bytes(weights))
    changed = find_checkpoint(str(copy)).identity
    assert changed["weights"] != here.identity["weights"]
    assert changed["settings"] == here.identity["settings"]


def test_another_chat_template_is_another_identity(tiny: Path, copy: Path) -> None:
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    assert find_checkpoint(str(copy)).identity != find_checkpoint(str(tiny)).identity


def test_an_adapters_identity_holds_base_and_adapter(adapter: Path, tiny: Path) -> None:
    found = find_checkpoint(str(adapter))
    assert found.folder == tiny.resolve()
    assert found.adapter == adapter.resolve()
    assert found.identity["weights"] == find_checkpoint(str(tiny)).identity["weights"]
    assert found.identity["adapter"]


def test_a_base_may_stand_beside_the_adapter(adapter: Path, copy: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(adapter, tmp_path / "moved")
    config = json.loads((moved / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "../copy"
    (moved / "adapter_config.json").write_text(json.dumps(config))
    found = find_checkpoint(str(moved))
    assert found.folder == copy.resolve()
    # The base's place is no part of what was loaded.
    assert found.identity == find_checkpoint(str(adapter)).identity


def test_adapter_facts_tell_rank_and_vision(adapter: Path, tiny: Path, tmp_path: Path) -> None:
    facts = adapter_facts(adapter)
    assert (facts.rank, facts.touches_vision, facts.is_plain_lora) == (8, False, True)
    wide = write_adapter(tiny, tmp_path / "wide", seed=1, rank=4, modules=EVERYWHERE)
    facts = adapter_facts(wide)
    assert (facts.rank, facts.touches_vision, facts.is_plain_lora) == (4, True, True)
    check_fits(adapter, tiny)
    check_fits(wide, tiny)


def test_an_adapter_with_more_layers_than_the_base_is_refused(
    adapter: Path, tiny: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file

    deep = shutil.copytree(adapter, tmp_path / "deep")
    path = deep / "adapter_model.safetensors"
    tensors = {n.replace("layers.1.", "layers.27."): t for n, t in load_file(path).items()}
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"layers\.27\..* is not in the base"):
        check_fits(deep, tiny)


def test_judging_a_checkpoint_loads_no_heavy_library(tiny: Path) -> None:
    code = (
        "import sys; from vigos_eval.engines.checkpoint import find_checkpoint;"
        "import vigos_eval.engines.adapter, vigos_eval.engines.open, vigos_eval.engines.hf;"
        f"import vigos_eval.engines.vllm; find_checkpoint({str(tiny)!r});"
        "sys.exit(str({'torch', 'transformers', 'vllm', 'peft'} & set(sys.modules) or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
