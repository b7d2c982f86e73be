"""Data sets from the hub: which commit, from the net or the cache, and what is said when neither works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vigos_eval.benchmarks.task_yaml import DataPart
from vigos_eval.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

ROOT_VARIABLE = "VIGOS_DATA_ROOT"
HINT = (
    f"Set {ROOT_VARIABLE}=/dir to read /dir/<dataset id> instead (a folder of parquet files or a "
    "save_to_disk), or try the tool on its own sample data with: make demo"
)
HUB_TIMEOUT_S = 10.0


def from_hub(part: DataPart) -> tuple[Dataset, str | None]:
    """The data set and the commit it was read at; from the local cache when the hub is away.

    Raises:
        DataError: The hub refuses it, or cannot be reached and the cache does not hold it.
    """
    import datasets
    from datasets.exceptions import DatasetsError

    if Path(part.dataset).is_dir():
        raise DataError(
            f"the current directory holds a folder {part.dataset}, which would be read in place of "
            f"the hub's data set; change the directory, or set {ROOT_VARIABLE}=. to mean that folder"
        )
    commit = _commit(part)
    tables = []
    with _cache_only(commit is None):
        for config in part.configs:
            try:
                tables.append(
                    datasets.load_dataset(part.dataset, config, split=part.split, revision=commit)
                )
            # The hub client's errors are OSErrors, unknown configurations and splits ValueErrors.
            except (OSError, ValueError, DatasetsError) as error:
                raise _not_loaded(part, error) from error
    read = commit or _commit_of(tables[0])
    if part.revision and commit is None and part.revision != read:
        raise DataError(
            f"data set {part.dataset} is pinned to revision {part.revision}, the hub cannot be "
            f"reached, and the cache holds revision {read or 'unknown'}. {HINT}"
        )
    return joined(tables), read


def joined(tables: list[Dataset]) -> Dataset:
    """Tables of one schema under each other."""
    import datasets

    return tables[0] if len(tables) == 1 else datasets.concatenate_datasets(tables)


def _commit(part: DataPart) -> str | None:
    """The commit that the part's revision names now; None when the hub cannot be reached.

    `datasets` alone would try an unreachable hub for a minute.

    Raises:
        DataError: The hub was reached and does not give the data set.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        found = HfApi().dataset_info(part.dataset, revision=part.revision, timeout=HUB_TIMEOUT_S)
    except HfHubHTTPError as error:
        raise _not_loaded(part, error) from error
    except (OfflineModeIsEnabled, httpx.TransportError, OSError):
        return None
    commit: str | None = found.sha
    return commit


def _commit_of(table: Dataset) -> str | None:
    """The commit that was really read, out of the download addresses that `datasets` keeps."""
    for address in table.info.download_checksums or {}:
        if match := re.search(r"@([0-9a-f]{40})/", address):
            return match[1]
    return None


def _not_loaded(part: DataPart, error: Exception) -> DataError:
    at = f" at revision {part.revision}" if part.revision else ""
    reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return DataError(
        f"data set {part.dataset}{at} (split {part.split}) cannot be loaded from the hub "
        f"({reason}). {HINT}"
    )


@contextmanager
def _cache_only(is_on: bool) -> Iterator[None]:
    """While on, `datasets` reads its cache and asks no hub."""
    import datasets.config

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = before or is_on
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before
