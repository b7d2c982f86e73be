"""run.json: what a run was made with, its fingerprint, and whether a folder may be resumed.

Completions are journal.py's, reading records.py's.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vigos_eval.errors import RunFolderError
from vigos_eval.protocol import Protocol, fingerprint
from vigos_eval.records import SCHEMA, completion_files, read_run_settings

# Recorded, never compared: the environment changes no protocol.
RECORDED_PACKAGES = ("vigos", "lmms-eval", "torch", "transformers", "peft", "vllm", "datasets")


@dataclass(frozen=True)
class TaskFacts:
    """What was asked of one task.

    Attributes:
        source: ``paper`` or ``official``.
        dataset: Data set id, or the ids of its parts joined by `` + ``.
        revision: Pinned data set revision, or None.
        split: Data set split.
        questions: Questions in the whole task.
        k: Samples per question.
    """

    source: str
    dataset: str
    revision: str | None
    split: str
    questions: int
    k: int


@dataclass(frozen=True)
class RunDescription:
    """Everything run.json says of a run, but for what is measured while it runs.

    Attributes:
        pretrained: The checkpoint as the user named it.
        identity: What was loaded: hub revision or weight hashes.
        engine: The engine's name as the user gave it, `auto` included; see `record_engine`.
        protocol: How questions were asked.
        control: ``blind``, ``shuffled`` or None.
        tasks: Facts by task label.
    """

    pretrained: str
    identity: Mapping[str, str]
    engine: str
    protocol: Protocol
    control: str | None
    tasks: Mapping[str, TaskFacts]

    @property
    def fields(self) -> dict[str, Any]:
        """What the generation fingerprint is made of: model, prompt, decoding, control."""
        return {
            "model": dict(self.identity),
            "protocol": self.protocol.generation_fields(),
            "control": self.control,
        }

    @property
    def facts(self) -> dict[str, Any]:
        """What every result says of the run, wherever it is kept."""
        return {
            "protocol": asdict(self.protocol),
            "model": {"pretrained": self.pretrained, **self.identity},
            "control": self.control,
            "tasks": {label: asdict(facts) for label, facts in sorted(self.tasks.items())},
        }

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits over `fields`."""
        return fingerprint(self.fields)

    @property
    def name(self) -> str:
        """Folder name: ``<model>-<fingerprint>``."""
        last = Path(self.pretrained.rstrip("/")).name or "model"
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", last)
        suffix = f"-{self.control}" if self.control else ""
        return f"{slug}-{self.fingerprint}{suffix}"


def open_run(folder: Path, run: RunDescription, *, started: str) -> None:
    """Write run.json, or check that the folder holds the same run and may be resumed.

    Tasks asked later into the same folder are added to those already there. Files on this disk
    may have been mended since: asking compares every answered row with what it is now.

    Raises:
        RunFolderError: The folder holds a run with another fingerprint, or other data; the
            message names the first field that differs and both values.
    """
    facts = run.facts
    engine = run.engine
    if (before := check_run(folder, run)) is not None:
        facts["tasks"] = {**before["tasks"], **facts["tasks"]}
        started, engine = before["started"], before["engine"]
    settings = {
        **facts,
        "schema": SCHEMA,
        "name": run.name,
        "fingerprint": run.fingerprint,
        "fingerprint_fields": run.fields,
        "engine": engine,
        "versions": installed_versions(),
        "started": started,
        "partial": True,
        "limit": None,
        "skipped": 0,
    }
    write_json(folder / "run.json", settings)


def check_run(folder: Path, run: RunDescription) -> Mapping[str, Any] | None:
    """What run.json says of the same run earlier on, or None in a new folder. Writes nothing.

    Raises:
        RunFolderError: As `open_run`.
    """
    if not (folder / "run.json").is_file():
        return None
    before = read_run_settings(folder)
    _refuse_other_run(folder, before, run)
    for label, facts in run.tasks.items():
        earlier = before["tasks"].get(label)
        if earlier and (name := first_difference(_fixed(earlier), _fixed(asdict(facts)))):
            raise RunFolderError(
                f"{folder} was asked with other data: tasks.{label}.{name}. "
                "Use another folder: --model_args run=DIR"
            )
    return before


def close_run(folder: Path, asked: Mapping[str, int], skipped: int, *, is_ended: bool) -> None:
    """Note in run.json how many questions each task was asked; the run is partial if any is short.

    A run that did not come to its end (`is_ended`), now or before, was cut short by no limit.
    """
    settings = dict(read_run_settings(folder))
    tasks = {
        label: {**facts, "asked": asked.get(label, 0)} for label, facts in settings["tasks"].items()
    }
    short = [facts for facts in tasks.values() if facts["asked"] < facts["questions"]]
    is_limited = bool(short) and (is_ended or settings.get("limit") is not None)
    settings.update(
        tasks=tasks,
        partial=bool(short),
        limit=max(facts["asked"] for facts in short) if is_limited else None,
        skipped=skipped,
    )
    write_json(folder / "run.json", settings)


def record_engine(folder: Path, name: str) -> None:
    """Note in run.json which engine answers from now on: what `auto` meant, beside earlier ones.

    A resumed run may have two, joined by `` + ``: their texts differ at the same seed.
    """
    settings = dict(read_run_settings(folder))
    is_begun = any(path.stat().st_size for path in completion_files(folder))
    earlier = settings["engine"].split(" + ") if is_begun else []
    names = dict.fromkeys([*earlier, name])
    settings["engine"] = " + ".join(each for each in names if each != "auto")
    write_json(folder / "run.json", settings)


def record_grading(folder: Path, protocol: Protocol) -> None:
    """Note in run.json who judged and how answers were taken: a regrading may change both."""
    settings = dict(read_run_settings(folder))
    graded_by = {"judge": asdict(protocol.judge), "extraction": protocol.extraction}
    settings["protocol"] = {**settings["protocol"], **graded_by}
    write_json(folder / "run.json", settings)


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The first field in which two nested mappings differ, with both values; None when equal.

    >>> first_difference({"a": {"top_k": 20}}, {"a": {"top_k": 50}})
    'a.top_k is 20 there, 50 now'
    """
    flat_old, flat_new = dict(_flat(old)), dict(_flat(new))
    for name in sorted(flat_old.keys() | flat_new.keys()):
        there, now = flat_old.get(name, "absent"), flat_new.get(name, "absent")
        # Facts measured while a run goes on ("asked") are no settings.
        if there != now and not name.endswith("asked"):
            return f"{name} is {_short(there)} there, {_short(now)} now"
    return None


def write_json(path: Path, value: object) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never half of it."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, never half of it.

    Raises:
        RunFolderError: The file cannot be written (disk full, no permission).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RunFolderError(
            f"{path} cannot be written: {error.strerror}; mend that and run the same command again"
        ) from error


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that can matter, for the record."""
    found = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _refuse_other_run(folder: Path, before: Mapping[str, Any], run: RunDescription) -> None:
    if before["fingerprint"] == run.fingerprint:
        return
    # A round trip through JSON, so that tuples and lists compare equal.
    now = json.loads(json.dumps(run.fields))
    name = first_difference(before["fingerprint_fields"], now)
    raise RunFolderError(
        f"{folder} holds another run ({before['fingerprint']}, this one is {run.fingerprint}): "
        f"{name}. Use another folder, --model_args run=DIR, or the earlier settings"
    )


def _fixed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts without the hash of local files."""
    revision = facts["revision"]
    if not isinstance(revision, str):
        return dict(facts)
    return {**facts, "revision": re.sub(r"\blocal-[0-9a-f]+", "local", revision)}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
