"""Tables that lie in folders: parquet files of a split, and what `save_to_disk` wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vigos_eval.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

SPLITS = ("train", "test", "testmini", "validation", "val", "dev")


def is_saved(root: Path) -> bool:
    """Whether `save_to_disk` wrote the folder."""
    return (root / "dataset_dict.json").is_file() or (root / "state.json").is_file()


def parquet_table(files: Sequence[Path]) -> Dataset:
    """The files as one table.

    Raises:
        DataError: One is no parquet, or they hold no rows (which `datasets` cannot even open).
    """
    import datasets
    import pyarrow.parquet as pq
    from datasets.exceptions import DatasetsError

    rows = 0
    columns: list[str] = []
    for path in files:
        try:
            with pq.ParquetFile(path) as opened:
                rows += opened.metadata.num_rows
                columns = opened.schema_arrow.names
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read as parquet: {error}") from error
    if rows == 0:
        raise DataError(f"{files[0].parent} is empty: 0 rows; columns found: {', '.join(columns)}")
    try:
        return datasets.load_dataset("parquet", data_files=list(map(str, files)), split="train")
    except (OSError, ValueError, DatasetsError) as error:
        raise DataError(
            f"{files[0].parent} cannot be read as one table: {error.__cause__ or error}"
        ) from error


def saved_table(root: Path, split: str) -> Dataset:
    """A `save_to_disk` folder: one table, or one per split.

    Raises:
        DataError: The split is not among them, or the folder is damaged.
    """
    import datasets

    try:
        saved = datasets.load_from_disk(str(root))
    except (OSError, ValueError) as error:
        raise DataError(f"{root} cannot be read as a save_to_disk folder: {error}") from error
    if not isinstance(saved, datasets.DatasetDict):
        return saved
    if split not in saved:
        raise DataError(f"{root} has no split {split!r}; splits found: {', '.join(saved)}")
    return saved[split]


def parquet_files(root: Path, split: str, hint: str) -> list[Path]:
    """The parquet files of a split: named or foldered after it, or all when none names a split.

    Raises:
        DataError: There is none.
    """
    files = sorted(root.rglob("*.parquet"))
    if not files:
        held = sorted(path.name for path in root.iterdir())[:8]
        raise DataError(
            f"{root} holds no parquet file and no save_to_disk; it holds: "
            f"{', '.join(held) or 'nothing'}. {hint}"
        )
    named = {path: _split_of(path, root) for path in files}
    if not any(named.values()):
        return files
    ours = [path for path, name in named.items() if name == split]
    if not ours:
        found = sorted({name for name in named.values() if name})
        raise DataError(f"{root} has no split {split!r}; splits found: {', '.join(found)}")
    return ours


def _split_of(path: Path, root: Path) -> str | None:
    """The split that a file's name or its folders below `root` name, or None."""
    stem = re.split(r"[-_.]", path.stem)[0]
    for word in (stem, *reversed(path.relative_to(root).parent.parts)):
        if word in SPLITS:
            return word
    return None
