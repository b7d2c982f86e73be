"""The protocol of the model that was built in this process; lmms-eval's tasks ask for it.

The host builds the model before the tasks and tells neither about the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vigos_eval.protocol import Protocol, load_protocol

_protocol: Protocol | None = None
_run: dict[str, Any] = {}
_kind = "chat"
_is_ours = True


def activate(protocol: Protocol) -> None:
    """Make this the protocol that tasks loaded from now on take their repeats from."""
    global _protocol, _run
    _protocol = protocol
    _run = {}


def describe_run(facts: Mapping[str, Any]) -> None:
    """Fill in what `run_facts` handed out: protocol and data are settled after tasks were loaded."""
    global _run
    _run.update(facts)
    _run = {}  # what was handed out belongs to that run


def run_facts() -> dict[str, Any]:
    """What the host's own results say about the run. Tasks hand it over before it is filled."""
    return _run


def active_protocol() -> Protocol:
    """The active protocol; ``plain`` when the model is not ours (any other lmms-eval model).

    >>> active_protocol().name
    'plain'
    """
    return load_protocol("plain") if _protocol is None else _protocol


def expect_model(kind: str, *, is_ours: bool) -> None:
    """Say which model tasks are loaded for: the host tells its model to no task.

    Args:
        kind: ``chat`` or ``simple``: what the host calls its two ways of asking.
        is_ours: Another model is asked under ``plain``, also after one of ours.
    """
    global _protocol, _kind, _is_ours
    _kind, _is_ours = kind, is_ours
    if not is_ours:
        _protocol = None


def host_kind() -> str:
    """``chat`` or ``simple``."""
    return _kind


def is_ours_expected() -> bool:
    """Whether tasks are loaded for `--model vigos`."""
    return _is_ours and _protocol is not None
