"""An engine that answers at once: for what is ours around an engine, never for an engine's own tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from vigos_eval.paths import shipped
from vigos_eval.types import Completion, Decoding, Generated, Prompt


class InstantEngine:
    """Answers at once, each sample another letter; counts what it was asked."""

    identity: Mapping[str, str] = {"engine": "instant"}

    def __init__(self) -> None:
        self.asked: list[tuple[Prompt, Decoding]] = []

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        """n completions per prompt, in order."""
        for prompt in prompts:
            self.asked.append((prompt, decoding))
            yield Generated(
                prompt.key,
                10,
                tuple(
                    Completion(
                        f"bars</description><think>so</think> \\boxed{{{'ABCD'[i % 4]}}}", 9, "stop"
                    )
                    for i in range(decoding.n)
                ),
            )

    def close(self) -> None:
        """Nothing to give back."""


def our_task_manager(model: str = "vigos") -> Any:
    """lmms-eval's task manager over our folder alone: its own thousands take ten seconds."""
    from lmms_eval.tasks import TaskManager

    from vigos_eval.plugin import manifests

    manifests()
    return TaskManager(
        "ERROR", include_path=str(shipped("tasks")), include_defaults=False, model_name=model
    )


def host_results(
    monkeypatch: pytest.MonkeyPatch,
    engine: InstantEngine,
    model_args: Mapping[str, object],
    tasks: list[str],
    **more: Any,
) -> dict[str, Any]:
    """What lmms-eval's simple_evaluate returns with our model around `engine`."""
    from lmms_eval.evaluator import simple_evaluate

    import vigos_eval.model

    monkeypatch.setattr(vigos_eval.model, "open_engine", lambda settings: engine)
    text = ",".join(f"{name}={value}" for name, value in model_args.items())
    results = simple_evaluate(model="vigos", model_args=text, tasks=tasks, **more)
    assert results is not None
    found: dict[str, Any] = results
    return found
