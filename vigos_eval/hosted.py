"""What lmms-eval's requests say about their tasks: label, data, samples per question, overrides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigos_eval.benchmarks import benchmark
from vigos_eval.benchmarks.task_yaml import label_of
from vigos_eval.errors import ConfigError
from vigos_eval.run_folder import TaskFacts
from vigos_eval.types import Source

# What the host or our own YAML puts among the generation settings and is no override.
NEUTRAL = frozenset({"until", "do_sample"})
NAMES = {"max_gen_toks": "max_new_tokens"}
OVERRIDABLE = frozenset({"temperature", "top_p", "top_k", "max_new_tokens", "seed"})


@dataclass(frozen=True)
class HostedTask:
    """One task of the host's.

    Attributes:
        label: ``mmmu`` or ``mmmu_official``.
        task: The label without its source.
        source: Which data.
        gen_kwargs: Generation settings as the host hands them over.
        facts: For run.json.
    """

    label: str
    task: str
    source: Source
    gen_kwargs: Mapping[str, Any]
    facts: TaskFacts


def hosted_tasks(
    requests: Sequence[Any], documents: Mapping[str, Mapping[str, Any]]
) -> dict[str, HostedTask]:
    """The host's tasks by their names, from one request per question.

    Args:
        requests: lmms-eval Instances; `repeats` is what was really asked for.
        documents: Task name -> split -> rows, as the host gives them to the model.

    Raises:
        ConfigError: A task that is not ours.
    """
    found: dict[str, HostedTask] = {}
    counts = Counter((request.args[4], int(request.repeats)) for request in requests)
    for request in requests:
        _, _, gen_kwargs, _, name, split = request.args
        if name in found:
            continue
        label = label_of(name)
        ours = benchmark(label)
        rows = documents[name][split]
        repeats = [k for task, k in counts if task == name]
        revisions = [revision or "" for revision in rows.revisions]
        found[name] = HostedTask(
            label=label,
            task=ours.task,
            source=ours.source,
            gen_kwargs=gen_kwargs,
            facts=TaskFacts(
                source=ours.source,
                dataset=" + ".join(part.dataset for part in ours.parts),
                revision=" + ".join(revisions) if any(revisions) else None,
                split=ours.parts[0].split,
                questions=len(rows),
                k=repeats[0],
            ),
        )
    return found


def gen_overrides(gen_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Protocol settings that --gen_kwargs asks for.

    Raises:
        ConfigError: A setting that no protocol has.

    >>> gen_overrides({"until": [], "temperature": 0, "max_gen_toks": 64})
    {'temperature': 0, 'max_new_tokens': 64}
    >>> gen_overrides({"do_sample": False})
    {'temperature': 0.0}
    """
    named = {NAMES.get(key, key): value for key, value in gen_kwargs.items() if key not in NEUTRAL}
    if unknown := sorted(named.keys() - OVERRIDABLE):
        raise ConfigError(
            f"--gen_kwargs {unknown[0]}={named[unknown[0]]!r}: a protocol has no such setting; "
            f"known: {', '.join(sorted(OVERRIDABLE))}"
        )
    if gen_kwargs.get("until"):
        raise ConfigError(
            f"--gen_kwargs until={gen_kwargs['until']!r}: responses end at the checkpoint's own "
            "end token only; leave it out"
        )
    if str(gen_kwargs.get("do_sample", True)).lower() == "false":
        named["temperature"] = 0.0
    return named
