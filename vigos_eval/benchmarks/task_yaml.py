"""tasks/*.yaml read without lmms-eval: which data a task asks for, and what a group holds.

The YAML is the only place that names data sets, splits and revisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from vigos_eval.errors import ConfigError
from vigos_eval.paths import shipped


@dataclass(frozen=True)
class DataPart:
    """One data set of a task, as the YAML names it.

    Attributes:
        dataset: Hub id.
        configs: Configurations that are read one after the other; (None,) is the default one.
        split: Split name.
        revision: Hub commit that pins the data; None takes the newest.
    """

    dataset: str
    configs: tuple[str | None, ...]
    split: str
    revision: str | None


class _Loader(yaml.SafeLoader):
    """YAML in which ``!function x.y`` is only a name: nothing is imported."""


_Loader.add_constructor("!function", lambda loader, node: str(node.value))


@cache
def task_files() -> Mapping[str, Path]:
    """Task and group name -> the YAML that defines it."""
    found: dict[str, Path] = {}
    for path in sorted(shipped("tasks").rglob("*.yaml")):
        values = _own_values(path)
        found[str(values.get("group") or values["task"])] = path
    return found


@cache
def task_values(name: str) -> Mapping[str, Any]:
    """The YAML of a task or group, what it includes folded in.

    Raises:
        ConfigError: There is no such task.
    """
    files = task_files()
    if name not in files:
        raise ConfigError(
            f"task {name!r} does not exist; known: {', '.join(n for n in files if n[:6] != 'vigos_')}"
        )
    return _folded(files[name])


def leaf_tasks(name: str) -> tuple[str, ...]:
    """The tasks a name stands for: itself, or a group's members.

    >>> leaf_tasks("vilp"), leaf_tasks("mmmu")
    (('vilp_f', 'vilp_p'), ('mmmu',))
    """
    values = task_values(name)
    if "group" not in values:
        return (name,)
    return tuple(leaf for member in values["task"] for leaf in leaf_tasks(member))


def label_of(name: str) -> str:
    """The label of a task, which is its name without the ``vigos_`` of other models' tasks.

    >>> label_of("vigos_mmmu_official")
    'mmmu_official'
    """
    return str(task_values(name)["metadata"]["label"])


def data_parts(values: Mapping[str, Any]) -> tuple[DataPart, ...]:
    """The data sets of one task's YAML, in the order in which their rows are pooled.

    >>> [part.dataset for part in data_parts(task_values("mmmu_pro"))]
    ['zli12321/mmmu_pro_10options', 'zli12321/mmmu-pro-vision']
    """
    extra = values.get("dataset_kwargs") or {}
    configs = extra.get("configs") or [values.get("dataset_name")]
    parts = [
        DataPart(
            values["dataset_path"], tuple(configs), values["test_split"], extra.get("revision")
        )
    ]
    for more in extra.get("pooled_with") or []:
        parts.append(
            DataPart(
                more["dataset_path"],
                (more.get("dataset_name"),),
                more.get("test_split", values["test_split"]),
                more.get("revision"),
            )
        )
    return tuple(parts)


def _own_values(path: Path) -> dict[str, Any]:
    # _Loader is a SafeLoader: it builds plain values only.
    values: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    return values


def _folded(path: Path) -> dict[str, Any]:
    values = _own_values(path)
    include = values.pop("include", None)
    return {**_folded(path.parent / include), **values} if include else values
