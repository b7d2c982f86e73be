"""A task's rows: from the hub, or below VIGOS_DATA_ROOT, always with their images still encoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vigos_eval.benchmarks.folders import is_saved, parquet_files, parquet_table, saved_table
from vigos_eval.benchmarks.hub import HINT, ROOT_VARIABLE, from_hub, joined
from vigos_eval.benchmarks.reader import CLUSTER, PART, is_image_column
from vigos_eval.benchmarks.task_yaml import DataPart
from vigos_eval.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

ROW = "vigos_row"
"""Column that loading adds: the question's place in the task, from 0."""


@dataclass(frozen=True)
class Rows:
    """All questions of a task as rows, read one at a time. Images stay encoded.

    lmms-eval sees this as the data set's split; `Dataset` itself cannot pool tables whose
    columns differ, nor hold three questions in a row without copying.

    Attributes:
        parts: The pooled tables, in arrow format.
        repeats: Questions per row.
        clusters: Cluster per row of the data, or None.
        revisions: Per part: the hub commit, or ``local-<hash>`` of the files that were read.
    """

    parts: tuple[Dataset, ...]
    repeats: int = 1
    clusters: tuple[str, ...] | None = None
    revisions: tuple[str | None, ...] = ()

    def __len__(self) -> int:
        return self.repeats * sum(len(part) for part in self.parts)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        place = index // self.repeats
        added: dict[str, Any] = {ROW: index}
        if self.clusters is not None:
            added[CLUSTER] = self.clusters[place]
        for number, part in enumerate(self.parts):
            if place < len(part):
                # As arrow: the plain format would decode the images of the row.
                return {**part[place].to_pylist()[0], PART: number, **added}
            place -= len(part)
        raise IndexError(index)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    @property
    def features(self) -> Mapping[str, Any]:
        """Column -> feature over all parts."""
        return {name: f for part in self.parts for name, f in part.features.items()}

    def without_images(self) -> Rows:
        """The same questions without their image columns: cheap to read for grading."""
        bare = tuple(
            part.remove_columns([name for name in part.column_names if is_image_column(name)])
            for part in self.parts
        )
        return Rows(bare, self.repeats, self.clusters, self.revisions)


def load_part(part: DataPart, columns: Sequence[str]) -> tuple[Dataset, str | None]:
    """One data set and its revision.

    Args:
        part: Which.
        columns: Columns it must have.

    Raises:
        DataError: It cannot be found or reached, is empty, or lacks a column.
    """
    root = os.environ.get(ROOT_VARIABLE)
    where = f"{part.dataset} (split {part.split})"
    if root:
        where += f" in {Path(root) / part.dataset}"
    table, revision = _from_folder(Path(root) / part.dataset, part) if root else from_hub(part)
    if missing := [name for name in columns if name not in table.column_names]:
        raise DataError(
            f"{where} has no column {missing[0]!r}; columns found: "
            f"{', '.join(table.column_names) or 'none'}; needed: {', '.join(columns)}"
        )
    if len(table) == 0:
        raise DataError(f"{where} is empty: 0 rows; columns found: {', '.join(table.column_names)}")
    return table.with_format("arrow"), revision


def _from_folder(folder: Path, part: DataPart) -> tuple[Dataset, str]:
    if not folder.is_dir():
        raise DataError(f"{ROOT_VARIABLE} is set, but there is no folder {folder}. {HINT}")
    roots = [folder / config for config in part.configs if config and (folder / config).is_dir()]
    files: list[Path] = []
    tables: list[Dataset] = []
    for root in roots or [folder]:
        if is_saved(root):
            tables.append(saved_table(root, part.split))
            files += sorted(root.rglob("*.arrow"))
            continue
        found = parquet_files(root, part.split, HINT)
        files += found
        tables.append(parquet_table(found))
    return joined(tables), _files_hash(files, folder)


def _files_hash(files: Sequence[Path], folder: Path) -> str:
    """``local-`` and 12 hex digits over names, sizes and both ends of the files.

    A parquet's footer holds every column's sizes and statistics, so a changed row shows without
    reading gigabytes of images.
    """
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)}\0{size}\0".encode())
        with path.open("rb") as file:
            file.seek(max(0, size - 65_536))
            digest.update(file.read())
    return f"local-{digest.hexdigest()[:12]}"
