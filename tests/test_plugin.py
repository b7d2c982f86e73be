"""The plugin in real lmms-eval: its tasks for its model, nothing changed for every other."""

from __future__ import annotations

import json
import subprocess
import sys
import types
import warnings

import pytest

from vigos_eval import plugin

PLAIN = {
    "mm_vet", "mmmu", "mmmu_pro", "mathverse", "mathvista", "mmsi", "realworldqa", "cv_bench",
    "vilp", "vilp_f", "vilp_p", "vigos8", "vigos",
}  # fmt: skip

INDEXES = """
import json
from lmms_eval.tasks import TaskManager
index = {}
for model in ("vigos", "qwen2_5_vl"):
    manager = TaskManager("ERROR", model_name=model)
    index[model] = {name: str(entry["yaml_path"]) for name, entry in manager.task_index.items()}
TaskManager.initialize_tasks = TaskManager.initialize_tasks.__closure__ and next(
    cell.cell_contents for cell in TaskManager.initialize_tasks.__closure__
    if callable(cell.cell_contents)
)
manager = TaskManager("ERROR", model_name="qwen2_5_vl")
index["untouched"] = {name: str(e["yaml_path"]) for name, e in manager.task_index.items()}
print("INDEX" + json.dumps(index))
"""


@pytest.fixture(scope="module")
def indexes() -> dict[str, dict[str, str]]:
    """Task name -> YAML, as three task managers of real lmms-eval see them."""
    code = "import lmms_eval.models\n" + INDEXES
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("INDEX"))
    found: dict[str, dict[str, str]] = json.loads(line.removeprefix("INDEX"))
    return found


def is_ours(path: str) -> bool:
    return path != "-1" and "lmms_eval/tasks" not in path  # tags have no YAML


def test_for_our_model_our_definitions_win(indexes: dict[str, dict[str, str]]) -> None:
    seen = indexes["vigos"]
    assert seen.keys() >= PLAIN | {f"{n}_official" for n in PLAIN} | {f"vigos_{n}" for n in PLAIN}
    assert all(is_ours(seen[name]) for name in PLAIN)


def test_every_other_model_sees_them_as_vigos_names(indexes: dict[str, dict[str, str]]) -> None:
    seen = indexes["qwen2_5_vl"]
    assert {f"vigos_{name}" for name in PLAIN} <= seen.keys()
    assert not is_ours(seen["mmmu"])
    assert "vilp" not in seen


def test_no_built_in_changes_its_meaning(indexes: dict[str, dict[str, str]]) -> None:
    built_in = indexes["untouched"]
    assert len(built_in) > 1000
    assert not [name for name, path in built_in.items() if is_ours(path)]
    seen = indexes["qwen2_5_vl"]
    assert {name: seen[name] for name in built_in} == built_in
    assert all(name.startswith("vigos") for name in seen.keys() - built_in.keys())


def test_the_entry_point_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no overlay today")

    monkeypatch.setattr(plugin, "install_task_overlay", broken)
    with pytest.warns(UserWarning, match="--include_path"):
        assert plugin.manifests().model_id == "vigos"


def test_a_renamed_method_is_said_once_with_the_way_out() -> None:
    tasks = types.ModuleType("tasks")
    tasks.TaskManager = type("TaskManager", (), {})  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match=r"--include_path .*tasks and use the vigos_\* names"):
        plugin.overlay_task_manager(tasks)
    assert not hasattr(tasks.TaskManager, "initialize_tasks")


def test_a_second_overlay_changes_nothing() -> None:
    class TaskManager:
        model_name = "vigos"

        def initialize_tasks(self, include_path: object, include_defaults: bool) -> dict[str, str]:
            return {}

        def _get_task_and_group(self, folder: str) -> dict[str, str]:
            return {}

        def _load_individual_task_or_group(self) -> None:
            return None

    tasks = types.ModuleType("tasks")
    tasks.TaskManager = TaskManager  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plugin.overlay_task_manager(tasks)
        once = TaskManager.initialize_tasks
        plugin.overlay_task_manager(tasks)
    assert TaskManager.initialize_tasks is once


def test_the_entry_point_imports_neither_torch_nor_the_tasks() -> None:
    code = (
        "import sys; from vigos_eval.plugin import manifests; manifests(); "
        "sys.exit(str({'lmms_eval.tasks', 'vigos_eval.model'} & set(sys.modules) or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
