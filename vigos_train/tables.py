"""A training set's table: hub data set, parquet, `save_to_disk` or JSON lines. No rows here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from vigos_eval.benchmarks.folders import is_saved, parquet_files, parquet_table, saved_table
from vigos_eval.errors import DataError
from vigos_train.config import DataConfig

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?<!\.jsonl)(?<!\.json)(?<!\.parquet)")
USE = "Use .jsonl, .parquet, a folder of parquet or a save_to_disk folder"


def open_table(config: DataConfig) -> tuple[Sequence[Mapping[str, Any]], Path]:
    """The source's rows as mappings of columns, and the folder that relative paths start from.

    Raises:
        DataError: The source does not exist or is damaged.
    """
    path = _local_path(config.source)
    if path is None and not HUB_ID.fullmatch(config.source):
        raise DataError(
            f"{config.source} does not exist, also not below $VIGOS_DATA_ROOT; name a .jsonl, a "
            ".parquet, a folder of parquet, or a hub id (owner/name)"
        )
    if path is None:
        return _hub(config), Path()
    if path.suffix in (".jsonl", ".json"):
        return _json_lines(path), path.parent
    return _folder_or_file(path, config.split), path if path.is_dir() else path.parent


def _local_path(source: str) -> Path | None:
    root = os.environ.get("VIGOS_DATA_ROOT")
    places = [Path(source), *([Path(root) / source] if root else [])]
    return next((place for place in places if place.exists()), None)


def _json_lines(path: Path) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                fields = json.loads(line) if line.strip() else None
            except ValueError as error:  # also bytes that are no UTF-8
                raise DataError(f"{path} line {number} is not JSON: {error}") from error
            if isinstance(fields, dict):
                found.append(fields)
            elif fields is not None:
                raise DataError(f"{path} line {number} is no object with columns")
    return found


def _folder_or_file(path: Path, split: str) -> Sequence[Mapping[str, Any]]:
    if path.is_dir() and is_saved(path):
        return _undecoded(saved_table(path, split))
    files = parquet_files(path, split, USE) if path.is_dir() else [path]
    return _undecoded(parquet_table(files))


def _hub(config: DataConfig) -> Sequence[Mapping[str, Any]]:
    import datasets
    from datasets.exceptions import DatasetsError

    try:
        table = datasets.load_dataset(
            config.source, revision=config.revision or None, split=config.split
        )
    except (OSError, ValueError, DatasetsError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"data.source {config.source!r} is no local file and the hub did not give it ({first}); "
            "without internet put it into $VIGOS_DATA_ROOT/" + config.source
        ) from error
    return _undecoded(table)


def _undecoded(table: Any) -> Sequence[Mapping[str, Any]]:
    """The table with images left as stored bytes: decoding 47,600 of them to re-encode is waste."""
    import datasets

    for name, feature in table.features.items():
        if isinstance(feature, datasets.Image):
            table = table.cast_column(name, datasets.Image(decode=False))
        inner = getattr(feature, "feature", feature[0] if isinstance(feature, list) else None)
        if isinstance(inner, datasets.Image):
            table = table.cast_column(name, datasets.List(datasets.Image(decode=False)))
    return cast(Sequence[Mapping[str, Any]], table)
