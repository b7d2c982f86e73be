"""Scores as the YAML a hub model card starts with (``model-index``). Nothing is uploaded here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import yaml

from vigos_eval import __version__
from vigos_eval.errors import RunFolderError
from vigos_eval.export.scalars import refuse_non_score
from vigos_eval.scored_run import ScoredRun
from vigos_eval.scores import TaskScore
from vigos_eval.types import Score


def model_index_text(run: ScoredRun, model: str | None = None) -> str:
    """The model card's metadata block, ``---`` lines included; paste it at the top of README.md.

    Args:
        run: A whole run; withheld scores are left out.
        model: The model's name on the hub; default the checkpoint's as the run names it.

    Raises:
        RunFolderError: A control or partial run, or one without any score.
    """
    refuse_non_score(run)
    results = list(_results(run))
    if not results:
        raise RunFolderError(
            f"{run.folder} holds no score to export; see vigos-eval report {run.folder}"
        )
    name = (
        model
        or str(run.settings["model"].get("pretrained", run.name)).rstrip("/").rsplit("/", 1)[-1]
    )
    card = {"model-index": [{"name": name, "results": results}]}
    return "---\n" + yaml.safe_dump(card, sort_keys=False, allow_unicode=True) + "---\n"


def _results(run: ScoredRun) -> Iterator[dict[str, Any]]:
    for label, task in run.scores.tasks.items():
        metrics = [] if task.is_withheld else list(_metrics(task))
        if not metrics:
            continue
        facts = run.tasks.get(label, {})
        dataset: dict[str, Any] = {"name": label, "type": str(facts.get("dataset", label))}
        dataset["args"] = {
            "evaluated_with": f"vigos {__version__}",
            "protocol": str(run.protocol.get("name")),
        }
        if facts.get("split"):
            dataset["split"] = facts["split"]
        if facts.get("revision"):
            dataset["revision"] = facts["revision"]
        yield {
            "task": {"type": "image-text-to-text", "name": "Visual question answering"},
            "dataset": dataset,
            "metrics": metrics,
        }


def _metrics(task: TaskScore) -> Iterator[dict[str, Any]]:
    if task.vilp:
        for name in ("score", "prior"):
            yield from _metric(name, f"ViLP {name.capitalize()}", task.vilp["word"][name])
    elif task.passes:
        yield from _metric(f"pass@{task.k}", f"Pass@{task.k}", task.passes[-1])
        yield from _metric(f"avg@{task.k}", f"Avg@{task.k}", task.avg)


def _metric(kind: str, name: str, score: Score) -> Iterator[dict[str, Any]]:
    if math.isnan(score.value):
        return
    stderr = (
        "" if math.isnan(score.stderr) else f" (± {100 * score.stderr:.2f}, n = {score.graded})"
    )
    yield {"type": kind, "name": name + stderr, "value": round(100 * score.value, 2)}
