"""A checkpoint as it lies on disk: is it whole, what is its base, what is its identity. No torch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vigos_eval.errors import CheckpointError

TRY_DEMO = "`make demo` runs on a checkpoint that the repository makes itself"
WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "tokenizer.model")
# Everything beside the weights that changes a generated text.
SETTINGS_FILES = (
    "config.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "tokenizer_config.json",
    "merges.txt",
    *PROCESSOR_FILES,
    *TOKENIZER_FILES,
)
# Pickled weights (.bin, .pt) are never fetched: loading one may run code.
HUB_PATTERNS = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model", "*.py")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Checkpoint:
    """What an engine loads.

    Attributes:
        folder: The full checkpoint; the base when there is an adapter.
        adapter: Folder of a LoRA adapter on it, or None.
        identity: Hub id and commit, or SHA-256 over the files; the adapter's beside it.
    """

    folder: Path
    adapter: Path | None
    identity: Mapping[str, str]


def find_checkpoint(pretrained: str, revision: str = "") -> Checkpoint:
    """The checkpoint behind a local folder or hub id, checked as far as that goes without loading.

    Args:
        pretrained: Folder of a full checkpoint or of a LoRA adapter, or a hub id.
        revision: Hub revision; "" is the default branch.

    Raises:
        CheckpointError: Not there, not whole, or its base is not.
    """
    if not pretrained:
        raise CheckpointError(f"pretrained= is missing: name a folder or a hub id; {TRY_DEMO}")
    folder, origin = _located(pretrained, revision)
    if not (folder / ADAPTER_CONFIG).is_file():
        _check_whole(folder)
        return Checkpoint(folder, None, _identity("", folder, origin, SETTINGS_FILES))
    base, base_origin = _base_of(folder)
    _check_whole(base)
    identity = {
        **_identity("", base, base_origin, SETTINGS_FILES),
        **_identity("adapter_", folder, origin, (ADAPTER_CONFIG,)),
    }
    return Checkpoint(base, folder, identity)


def _located(pretrained: str, revision: str) -> tuple[Path, dict[str, str]]:
    """The local folder, and where it came from: hub id and commit, or nothing."""
    local = Path(pretrained).expanduser()
    if local.is_dir():
        return local.resolve(), {}
    if not HUB_ID.fullmatch(pretrained) or pretrained.startswith((".", "~")):
        raise CheckpointError(
            f"pretrained={pretrained} is no folder and no hub id (owner/name); "
            f"`vigos-eval tiny DIR` makes a small one; {TRY_DEMO}"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(
                pretrained, revision=revision or None, allow_patterns=list(HUB_PATTERNS)
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"pretrained={pretrained}: no such folder here, and the hub did not give it "
            f"({type(error).__name__}: {first[:160]}). Copy the checkpoint to this machine and "
            f"pass pretrained=/its/folder; {TRY_DEMO}"
        ) from error
    return folder, {"hub_id": pretrained, "revision": folder.name}


def _base_of(adapter: Path) -> tuple[Path, dict[str, str]]:
    """The folder of the base that an adapter's config names, and where it came from."""
    if not (adapter / ADAPTER_WEIGHTS).is_file():
        raise CheckpointError(
            f"adapter {adapter} has no {ADAPTER_WEIGHTS}; save it again with peft's save_pretrained"
        )
    tensor_shapes(adapter / ADAPTER_WEIGHTS)
    config = json_object(adapter / ADAPTER_CONFIG)
    named = config.get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise CheckpointError(
            f"adapter {adapter}: base_model_name_or_path in {ADAPTER_CONFIG} is {named!r}; "
            "write the base's folder or hub id there"
        )
    beside = adapter / named
    revision = config.get("revision")
    try:
        return _located(
            str(beside) if beside.is_dir() else named,
            revision if isinstance(revision, str) else "",
        )
    except CheckpointError as error:
        raise CheckpointError(
            f"adapter {adapter}: its base {named!r} is missing here. Put the base there, or "
            f"correct base_model_name_or_path in {adapter / ADAPTER_CONFIG}"
        ) from error


def _check_whole(folder: Path) -> None:
    """Raise unless config, every weight file, tokenizer and processor are there and complete."""
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{folder} has no config.json and no {ADAPTER_CONFIG}: it is no checkpoint. Pass the "
            "folder that save_pretrained wrote"
        )
    json_object(folder / "config.json")
    for path in weight_files(folder):
        tensor_shapes(path)
    for what, names in (("tokenizer", TOKENIZER_FILES), ("processor", PROCESSOR_FILES)):
        if not any((folder / name).is_file() for name in names):
            raise CheckpointError(
                f"{folder} has no {what} file ({' or '.join(names)}); copy them from the model "
                "it was trained from"
            )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a full checkpoint, in name order.

    Raises:
        CheckpointError: None, pickled ones only, or a shard of the index is missing.
    """
    if (folder / WEIGHTS_INDEX).is_file():
        shards = json_object(folder / WEIGHTS_INDEX).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(v, str) for v in shards.values()):
            raise CheckpointError(
                f"{folder / WEIGHTS_INDEX} has no weight_map; fetch the file again"
            )
        files = [folder / name for name in sorted(set(shards.values()))]
        if missing := [path.name for path in files if not path.is_file()]:
            raise CheckpointError(
                f"{folder}: {len(missing)} of {len(files)} weight files are missing, e.g. "
                f"{missing[0]}; fetch the checkpoint again"
            )
        return files
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    pickled = sorted(path.name for path in folder.glob("*.bin"))
    hint = (
        f"{pickled[0]} is a pickle, which is never loaded; save with safe_serialization=True"
        if pickled
        else "fetch the checkpoint again"
    )
    raise CheckpointError(f"{folder} has no weights ({WEIGHTS} or {WEIGHTS_INDEX}): {hint}")


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """Shapes by tensor name from a safetensors header; a torn file is caught here.

    Raises:
        CheckpointError: Cut short, or no safetensors file at all (a git-lfs pointer, for one).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size - 8:
            raise CheckpointError(
                f"{path} is no safetensors file ({size} bytes; a git-lfs pointer or a torn "
                "download); fetch it again"
            )
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            ends = [tensor["data_offsets"][1] for tensor in header.values()]
            shapes = {name: list(tensor["shape"]) for name, tensor in header.items()}
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise CheckpointError(f"{path} has a broken header; fetch it again") from error
    if (expected := 8 + length + max(ends, default=0)) != size:
        raise CheckpointError(f"{path} has {size} of {expected} bytes; fetch it again")
    return shapes


def _identity(
    prefix: str, folder: Path, origin: Mapping[str, str], settings: Iterable[str]
) -> dict[str, str]:
    """Hub id and commit when it came from there, else hashes of the files' bytes."""
    if origin:
        return {prefix + key: value for key, value in origin.items()}
    weights = [folder / ADAPTER_WEIGHTS] if prefix else weight_files(folder)
    beside = [folder / name for name in sorted(settings) if (folder / name).is_file()]
    if not prefix:
        return {"weights": files_sha256(weights), "settings": files_sha256(beside)}
    # The adapter's config also names the base's path, which may differ between machines.
    config = json_object(folder / ADAPTER_CONFIG)
    config.pop("base_model_name_or_path", None)
    text = json.dumps(config, sort_keys=True)
    return {
        "adapter": files_sha256(weights),
        "adapter_settings": hashlib.sha256(text.encode()).hexdigest(),
    }


def files_sha256(paths: Iterable[Path]) -> str:
    """Hex digest over names and contents, in the order given; files are streamed.

    >>> files_sha256([])[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    for path in paths:
        state = path.stat()
        content = _content_sha256(path, state.st_size, state.st_mtime_ns)
        digest.update(f"{path.name}\0{content}\n".encode())
    return digest.hexdigest()


# Run folder and engine both ask; sixteen gigabytes are hashed once per process.
@lru_cache(maxsize=1024)
def _content_sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        CheckpointError: Not JSON, or not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path} is not JSON ({error}); fetch it again") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object; fetch it again")
    return value
