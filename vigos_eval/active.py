"""The protocol of the model that was built in this process; lmms-eval's tasks ask for it.

The host builds the model before the tasks and tells neither about the other.
"""

from __future__ import annotations

from vigos_eval.protocol import Protocol, load_protocol

_protocol: Protocol | None = None


def activate(protocol: Protocol) -> None:
    """Make this the protocol that tasks loaded from now on take their repeats from."""
    global _protocol
    _protocol = protocol


def active_protocol() -> Protocol:
    """The active protocol; ``plain`` when the model is not ours (any other lmms-eval model).

    >>> active_protocol().name
    'plain'
    """
    return load_protocol("plain") if _protocol is None else _protocol
