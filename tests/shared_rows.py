"""Real benchmark rows that lie beside the checkout, as the parquet folders the official tasks read.

The rows are other people's data and never part of the repository; without them tests skip.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

ROWS = Path(__file__).parents[2] / "shared" / "rows"
PICTURE = datasets.Image()
TARGETS = {
    "mmmu": "MMMU/MMMU/validation.parquet",
    "mmmu_pro_standard": "MMMU/MMMU_Pro/standard (10 options)/test.parquet",
    "mmmu_pro_vision": "MMMU/MMMU_Pro/vision/test.parquet",
    "mathverse": "AI4Math/MathVerse/testmini.parquet",
    "mathvista": "AI4Math/MathVista/testmini.parquet",
}
LABELS = ("mmmu_official", "mmmu_pro_official", "mathverse_official", "mathvista_official")


def write_official_rows(root: Path) -> dict[str, int]:
    """Write the rows below `root`; returns rows per folder. Skips the test without them."""
    if not ROWS.is_dir():
        pytest.skip(f"{ROWS} is not there: real rows are no part of the repository")
    counts = {}
    for name, target in TARGETS.items():
        lines = (ROWS / name / "rows.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [_with_pictures(json.loads(line), ROWS / name) for line in lines]
        columns = sorted({column for row in rows for column in row})
        table = {column: [row.get(column) for row in rows] for column in columns}
        made = datasets.Dataset.from_dict(table)
        for column in columns:
            if any(isinstance(row.get(column), dict) and "bytes" in row[column] for row in rows):
                made = made.cast_column(column, PICTURE)
        path = root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        made.to_parquet(str(path))
        counts[name] = len(rows)
    return counts


def _with_pictures(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The row with the names of picture files replaced by the files; MathVista's `image` is a name."""
    found = {}
    for column, value in row.items():
        path = folder / value if isinstance(value, str) and len(value) < 200 else None
        is_file = path is not None and path.suffix in (".png", ".jpg") and path.is_file()
        found[column] = {"bytes": path.read_bytes(), "path": None} if path and is_file else value
    # MMMU marks open questions by their type, MMMU-Pro standard has no such column.
    found.pop("_note", None)
    return found
