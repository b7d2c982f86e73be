"""The nine benchmarks: which data a label stands for, and a row of it as a Sample.

A label is a task's plain name, with ``_official`` for the official data: ``mmmu``,
``mmmu_official``, ``vilp_f``. Adding a benchmark takes a module with a `Reader`, its line in
READERS, and a YAML in tasks/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from vigos_eval.benchmarks import (
    cv_bench,
    mathverse,
    mathvista,
    mm_vet,
    mmmu,
    mmmu_pro,
    mmsi,
    realworldqa,
    vilp,
)
from vigos_eval.benchmarks.loading import Rows, load_part
from vigos_eval.benchmarks.reader import Reader, Row
from vigos_eval.benchmarks.task_yaml import (
    DataPart,
    data_parts,
    label_of,
    leaf_tasks,
    task_values,
)
from vigos_eval.errors import ConfigError, DataError
from vigos_eval.images import encoded
from vigos_eval.types import Sample, Source

READERS: dict[str, Reader] = {
    "mm_vet": mm_vet.PAPER,
    "mm_vet_official": mm_vet.OFFICIAL,
    "mmmu": mmmu.PAPER,
    "mmmu_official": mmmu.OFFICIAL,
    "mmmu_pro": mmmu_pro.PAPER,
    "mmmu_pro_official": mmmu_pro.OFFICIAL,
    "mathverse": mathverse.PAPER,
    "mathverse_official": mathverse.OFFICIAL,
    "mathvista": mathvista.PAPER,
    "mathvista_official": mathvista.OFFICIAL,
    "mmsi": mmsi.PAPER,
    "mmsi_official": mmsi.OFFICIAL,
    "realworldqa": realworldqa.PAPER,
    "realworldqa_official": realworldqa.OFFICIAL,
    "cv_bench": cv_bench.PAPER,
    "cv_bench_official": cv_bench.OFFICIAL,
    "vilp_f": vilp.F_PAPER,
    "vilp_f_official": vilp.F_OFFICIAL,
    "vilp_p": vilp.P_PAPER,
    "vilp_p_official": vilp.P_OFFICIAL,
}


CHECKED_ROWS = 5


@dataclass(frozen=True)
class Benchmark:
    """What a label stands for.

    Attributes:
        label: ``mmmu`` or ``mmmu_official``.
        task: The label without its source.
        source: Which data.
        parts: The data sets, pooled in this order: id, configurations, split, revision.
        columns: The columns each part must have.
    """

    label: str
    task: str
    source: Source
    parts: tuple[DataPart, ...]
    columns: tuple[tuple[str, ...], ...]


def benchmark(label: str) -> Benchmark:
    """The benchmark of a label.

    Raises:
        ConfigError: No such label.

    >>> benchmark("vilp_f_official").task, benchmark("mathverse").parts[0].dataset
    ('vilp_f', 'zli12321/mathverse')
    """
    reader = _reader(label)
    return Benchmark(
        label=label,
        task=label.removesuffix("_official"),
        source="official" if label.endswith("_official") else "paper",
        parts=data_parts(task_values(label)),
        columns=reader.columns,
    )


def labels_of(names: Iterable[str]) -> tuple[str, ...]:
    """The labels that task and group names stand for, each once, in order.

    Raises:
        ConfigError: A name that is neither.

    >>> labels_of(["vilp", "mmmu", "vilp_p"])
    ('vilp_f', 'vilp_p', 'mmmu')
    """
    return tuple(dict.fromkeys(label_of(leaf) for name in names for leaf in leaf_tasks(name)))


def sample_from_row(label: str, row: Row, index: int) -> Sample:
    """The Sample of one row, images included.

    Args:
        label: Which benchmark.
        row: The row as it was loaded.
        index: The question's place in the task, from 0.

    Raises:
        DataError: The row lacks its question, answer or a readable image; the message names it.
    """
    try:
        sample = _reader(label).question(row, index)
        images = tuple(encoded(raw) for raw in _reader(label).images(row, index))
        if not images:
            raise DataError("it has no image; an image question is never asked without its image")
    except DataError as error:
        raise DataError(f"{label} row {index}: {error}") from error
    return replace(
        sample, images=images, cluster=sample.cluster or "+".join(i.sha256 for i in images)
    )


def question_from_row(label: str, row: Row, index: int) -> Sample:
    """The Sample without its images, and `cluster` "" where only the image tells it.

    For grading: on the command line lmms-eval hands rows without their image columns over.

    Raises:
        DataError: The row lacks its question or answer; the message names it.
    """
    try:
        return _reader(label).question(row, index)
    except DataError as error:
        raise DataError(f"{label} row {index}: {error}") from error


def load_rows(label: str) -> Rows:
    """The rows of a benchmark, from the hub or below VIGOS_DATA_ROOT.

    Raises:
        ConfigError: No such label.
        DataError: The data cannot be had, is empty, or lacks a column.
    """
    return rows_of(label, benchmark(label).parts)


def rows_of(label: str, parts: tuple[DataPart, ...]) -> Rows:
    """As `load_rows`, with the data sets that a task's own YAML names."""
    reader = _reader(label)
    if len(parts) != len(reader.columns):
        raise ConfigError(
            f"task {label} pools {len(reader.columns)} data set(s), its YAML names {len(parts)}"
        )
    loaded = [load_part(p, c) for p, c in zip(parts, reader.columns, strict=True)]
    tables = tuple(table for table, _ in loaded)
    clusters = None
    if reader.clusters is not None:
        ids = tables[0].with_format(None).select_columns("problem_id")["problem_id"]
        clusters = tuple(reader.clusters(list(ids)))
    return Rows(tables, reader.prompts_per_row, clusters, tuple(r for _, r in loaded))


def check_data(labels: Iterable[str]) -> None:
    """Load what the labels need and read one question of each part: before anything is spent.

    Raises:
        ConfigError: No such label.
        DataError: The data cannot be had, is empty, lacks a column, or holds rows of another
            schema under the right names.
    """
    for label in labels:
        rows = load_rows(label)
        start = 0
        for part in rows.parts:
            _check_start(label, rows, start, len(part) * rows.repeats)
            start += len(part) * rows.repeats


def _check_start(label: str, rows: Rows, start: int, count: int) -> None:
    """One of the first rows must be a question: a single bad row is the run's business."""
    error: DataError | None = None
    for index in range(start, start + min(count, CHECKED_ROWS)):
        try:
            question_from_row(label, rows[index], index)
        except DataError as found:
            error = error or found
        else:
            return
    if error is not None:
        raise error


def questions(label: str) -> Iterator[Sample]:
    """Every question of a benchmark, images included, one at a time.

    Raises:
        DataError: The data cannot be had, or a row cannot be asked.
    """
    rows = load_rows(label)
    return (sample_from_row(label, row, index) for index, row in enumerate(rows))


@cache
def labels() -> tuple[str, ...]:
    """Every label, paper data first.

    >>> len(labels())
    20
    """
    return tuple(sorted(READERS, key=lambda label: label.endswith("_official")))


def _reader(label: str) -> Reader:
    if label not in READERS:
        raise ConfigError(f"task {label!r} does not exist; known: {', '.join(READERS)}")
    return READERS[label]
