"""Rows of a training set, read when they are asked for, and their split. No prompt, no tokens here."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vigos_eval.errors import DataError
from vigos_eval.types import EncodedImage
from vigos_train.config import DataConfig
from vigos_train.rows import Row, image_groups, is_held_out, without_image_marks
from vigos_train.tables import open_table

ID_COLUMNS = ("problem_id", "id")


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
    table: Any = rows.table
    if not hasattr(table, "column_names"):
        values = [fields.get(name) for fields in table]
    else:  # a datasets.Dataset: one column, no image bytes
        values = table[name] if name in table.column_names else [None] * len(rows)
    return ["" if value is None else str(value).strip() for value in values]
