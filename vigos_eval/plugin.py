"""The `lmms_eval.models` entry point: registers the model, and our tasks for it.

lmms-eval has no entry point for tasks, so `TaskManager.initialize_tasks` is wrapped: for
`--model vigos` our definitions of mmmu, mathverse, ... win; every other model sees them as
`vigos_*` and no built-in task changes its meaning. The wrapping waits until lmms_eval.tasks is
imported, because importing it here would cost every `lmms-eval` command six seconds.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from vigos_eval.active import expect_model
from vigos_eval.paths import shipped

MODEL_NAME = "vigos"
TASKS_MODULE = "lmms_eval.tasks"
PREFIX = "vigos_"


def manifests() -> Any:
    """The model's manifest for lmms-eval's registry (`ModelManifest`). Never raises.

    If it raised, lmms-eval would drop every plugin that is registered after this one.
    """
    from lmms_eval.models.registry_v2 import ModelManifest

    try:
        install_task_overlay()
    except Exception as error:  # noqa: BLE001 - see the docstring
        _say_without_overlay(repr(error))
    return ModelManifest(model_id=MODEL_NAME, chat_class_path="vigos_eval.model.Vigos")


def install_task_overlay() -> None:
    """Wrap TaskManager now if lmms_eval.tasks is loaded, else right after its first import."""
    module = sys.modules.get(TASKS_MODULE)
    if module is not None:
        overlay_task_manager(module)
    elif not any(isinstance(finder, _OverlayOnImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OverlayOnImport())


def overlay_task_manager(tasks: ModuleType) -> None:
    """Make `tasks.TaskManager` see our task folder; a second call changes nothing."""
    manager = tasks.TaskManager
    original: Callable[..., dict[str, Any]] | None = getattr(manager, "initialize_tasks", None)
    needed = ("_get_task_and_group", "_load_individual_task_or_group")
    if original is None or not all(hasattr(manager, name) for name in needed):
        _say_without_overlay("this lmms-eval names its task index differently")
        return
    if hasattr(original, "vigos_overlay"):
        return

    def initialize_tasks(
        self: Any, include_path: Any = None, include_defaults: bool = True
    ) -> dict[str, Any]:
        index = original(self, include_path=include_path, include_defaults=include_defaults)
        if not include_defaults:
            return index
        ours = _our_index(self)
        if is_our_model(self.model_name):
            return {**index, **ours}
        return {**{n: entry for n, entry in ours.items() if n.startswith(PREFIX)}, **index}

    load: Callable[..., dict[str, Any]] = manager._load_individual_task_or_group

    def load_individual(
        self: Any, name_or_config: Any = None, task_type: str = "simple", **more: Any
    ) -> dict[str, Any]:
        expect_model(task_type, is_ours=is_our_model(self.model_name))
        return load(self, name_or_config, task_type=task_type, **more)

    initialize_tasks.vigos_overlay = True  # type: ignore[attr-defined]
    manager.initialize_tasks = initialize_tasks
    manager._load_individual_task_or_group = load_individual


def _our_index(manager: Any) -> dict[str, Any]:
    """Our tasks and groups. A task with a class of its own would be missing from `--tasks list`."""
    index: dict[str, Any] = dict(manager._get_task_and_group(str(shipped("tasks"))))
    return {
        name: {**entry, "type": "task"} if entry["type"] == "python_task" else entry
        for name, entry in index.items()
    }


def is_our_model(model: object) -> bool:
    """Whether `--model vigos` was asked, or a model object of ours given to simple_evaluate.

    >>> is_our_model("vigos"), is_our_model("qwen2_5_vl"), is_our_model(None)
    (True, False, False)
    """
    if isinstance(model, str):
        return model == MODEL_NAME
    return any(c.__module__ == "vigos_eval.model" for c in type(model).__mro__)


def _say_without_overlay(reason: str) -> None:
    warnings.warn(
        f"vigos: its tasks are not registered ({reason}); "
        f"add --include_path {shipped('tasks')} and use the vigos_* names",
        stacklevel=2,
    )


class _OverlayOnImport(importlib.abc.MetaPathFinder):
    """A one-shot finder: lets lmms_eval.tasks load as ever, then wraps its TaskManager."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """The real spec of lmms_eval.tasks with a loader that wraps; None for all other names."""
        if fullname != TASKS_MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        run_module = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run_module(module)
            overlay_task_manager(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
