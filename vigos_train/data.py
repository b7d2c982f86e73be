"""Rows from a hub data set, parquet or JSON lines, read when they are asked for.

No prompt and no tokens here. `datasets` is imported only for hub ids and parquet.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from vigos_eval.errors import DataError
from vigos_eval.types import EncodedImage
from vigos_train.config import DataConfig
from vigos_train.rows import Row, image_groups, is_held_out, without_image_marks

ID_COLUMNS = ("problem_id", "id")
HUB_ID = re.compile(r"[\w.-]+(?:/[\w.-]+)?(?<!\.jsonl)(?<!\.json)(?<!\.parquet)")


class Rows(Protocol):
    """Rows by number; a row's image bytes are read when it is taken."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, index: int) -> Row:
        """One row.

        Raises:
            DataError: Its image cannot be read, or a column is missing.
        """
        ...


@dataclass(frozen=True)
class TableRows:
    """Rows over any table of mappings (JSON lines, a `datasets.Dataset`).

    Attributes:
        table: Mappings by number.
        columns: Which column is what.
        folder: What relative image paths start from.
    """

    table: Sequence[Mapping[str, Any]]
    columns: DataConfig
    folder: Path

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> Row:
        fields = self.table[index]
        return row_from_fields(fields, self.columns, self.folder, f"row {index}")


@dataclass(frozen=True)
class PartOfRows:
    """Some rows of others, by number."""

    rows: Rows
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Row:
        return self.rows[self.numbers[index]]


def row_from_fields(
    fields: Mapping[str, Any], columns: DataConfig, folder: Path, where: str
) -> Row:
    """A row from a table's mapping.

    Raises:
        DataError: A column is missing (lists those found) or an image cannot be read.
    """
    for column in (columns.problem, columns.images):
        if column not in fields:
            raise DataError(
                f"{columns.source} has no column {column!r}; found {', '.join(map(str, fields))}. "
                "Name yours: data.problem, data.images, data.answer, or --problem, --images, --answer"
            )
    row_id = next((str(fields[c]) for c in ID_COLUMNS if fields.get(c) is not None), where)
    name = where if row_id == where else f"{where} ({row_id})"
    value = fields[columns.images]
    items = value if isinstance(value, list | tuple) else [value]
    images = tuple(encoded_image(item, folder, name) for item in items if item is not None)
    if not images:
        raise DataError(f"{name} has no image")
    answer = fields.get(columns.answer)
    return Row(
        id=row_id,
        problem=without_image_marks(str(fields[columns.problem] or "")),
        answer="" if answer is None else str(answer).strip(),
        images=images,
    )


def encoded_image(value: Any, folder: Path, where: str) -> EncodedImage:
    """One image as its stored bytes, from bytes, a path, ``{bytes, path}`` or a PIL image.

    Raises:
        DataError: Neither bytes nor a readable file.
    """
    import hashlib

    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str | Path):
        path = folder / value
        if not path.is_file():
            raise DataError(f"{where}: image {path} does not exist")
        value = path.read_bytes()
    if hasattr(value, "save"):  # a PIL image: the table was decoded already
        buffer = io.BytesIO()
        value.save(buffer, format="PNG")
        value = buffer.getvalue()
    if not isinstance(value, bytes) or not value:
        raise DataError(f"{where}: the image is {type(value).__name__}, neither bytes nor a path")
    return EncodedImage(value, hashlib.sha256(value).hexdigest())


def open_rows(config: DataConfig) -> Rows:
    """All rows of the configured source, before any split.

    Raises:
        DataError: The source does not exist, is empty, damaged, or lacks a column.
    """
    rows = _whole_source(config)
    if len(rows) == 0:
        raise DataError(f"{config.source} holds no rows")
    if config.max_rows and config.max_rows < len(rows):
        rows = PartOfRows(rows, range(config.max_rows))
    _read_one(rows)
    return rows


def _read_one(rows: Rows) -> None:
    """Raise, before a model is loaded, if none of the first rows can be read: a column or folder."""
    for number in range(last := min(len(rows), 8) - 1):
        with suppress(DataError):
            rows[number]
            return
    rows[last]


def _whole_source(config: DataConfig) -> Rows:
    if config.source == "shapes":
        from vigos_train.shapes import shape_rows

        return shape_rows(config.max_rows or 256)
    table, folder = open_table(config)
    return TableRows(table, config, folder)


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
    return _parquet(path, config), path if path.is_dir() else path.parent


def _local_path(source: str) -> Path | None:
    root = os.environ.get("VIGOS_DATA_ROOT")
    places = [Path(source), *([Path(root) / source] if root else [])]
    return next((place for place in places if place.exists()), None)


def _json_lines(path: Path) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                fields = json.loads(line) if line.strip() else None
            except json.JSONDecodeError as error:
                raise DataError(f"{path} line {number} is not JSON: {error.msg}") from error
            if isinstance(fields, dict):
                found.append(fields)
            elif fields is not None:
                raise DataError(f"{path} line {number} is no object with columns")
    return found


def _datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            "reading parquet or the hub needs the package datasets: pip install datasets"
        ) from error
    return datasets


def _parquet(path: Path, config: DataConfig) -> Sequence[Mapping[str, Any]]:
    datasets = _datasets()
    if (path.is_dir() and (path / "dataset_info.json").is_file()) or (
        path / "dataset_dict.json"
    ).is_file():
        loaded = datasets.load_from_disk(str(path))
        table = loaded[config.split] if isinstance(loaded, datasets.DatasetDict) else loaded
        return _undecoded(table)
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    files = [f for f in files if f.stem.startswith(config.split)] or files
    if not files:
        raise DataError(
            f"{path} holds no .parquet file; use .jsonl, .parquet or a folder of parquet"
        )
    table = datasets.load_dataset("parquet", data_files=[str(f) for f in files], split="train")
    return _undecoded(table)


def _hub(config: DataConfig) -> Sequence[Mapping[str, Any]]:
    datasets = _datasets()
    try:
        table = datasets.load_dataset(
            config.source, revision=config.revision or None, split=config.split
        )
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"data.source {config.source!r} is no local file and the hub did not give it ({first}); "
            "without internet put it into $VIGOS_DATA_ROOT/" + config.source
        ) from error
    return _undecoded(table)


def _undecoded(table: Any) -> Sequence[Mapping[str, Any]]:
    """The table with images left as stored bytes: decoding 47,600 of them to re-encode is waste."""
    datasets = _datasets()
    for name, feature in table.features.items():
        if isinstance(feature, datasets.Image):
            table = table.cast_column(name, datasets.Image(decode=False))
        inner = getattr(feature, "feature", feature[0] if isinstance(feature, list) else None)
        if isinstance(inner, datasets.Image):
            table = table.cast_column(name, datasets.List(datasets.Image(decode=False)))
    return cast(Sequence[Mapping[str, Any]], table)


def split_rows(rows: Rows, share: float) -> tuple[Rows, Rows]:
    """(rows to train on, rows to evaluate on): no image is in both parts.

    With a share of 0 nothing is read and the second part is empty. A row whose image cannot be
    read goes to neither part.
    """
    if share == 0:
        return rows, PartOfRows(rows, [])
    hashes: list[list[str]] = []
    for index in range(len(rows)):
        try:
            hashes.append([image.sha256 for image in rows[index].images])
        except DataError:
            hashes.append([])
    groups = image_groups(hashes)
    readable = [i for i, group in enumerate(groups) if group]
    held = [i for i in readable if is_held_out(groups[i], share)]
    kept = [i for i in readable if not is_held_out(groups[i], share)]
    if not kept or not held:
        raise DataError(
            f"data.held_out {share} leaves {len(kept)} rows to train on and {len(held)} to evaluate "
            f"on, of {len(rows)}; use another share or more rows"
        )
    return PartOfRows(rows, kept), PartOfRows(rows, held)


def answers(rows: Rows) -> list[str]:
    """The reference answer of every row, without reading images where the storage allows it."""
    if isinstance(rows, PartOfRows):
        every = answers(rows.rows)
        return [every[number] for number in rows.numbers]
    if not isinstance(rows, TableRows):
        return [rows[number].answer for number in range(len(rows))]
    name = rows.columns.answer
    if hasattr(rows.table, "column_names"):  # a datasets.Dataset: one column, no image bytes
        table: Any = rows.table
        column = table[name] if name in table.column_names else [None] * len(rows)
        return ["" if value is None else str(value).strip() for value in column]
    return [str(fields.get(name) or "").strip() for fields in rows.table]
