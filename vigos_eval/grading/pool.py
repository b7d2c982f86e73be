r"""A few killable processes for algebra that our own grammar does not read. Nothing is parsed here.

No signal can stop sympy inside C code (``9**9**9``), so each pair runs in a process that is
killed when its time is up. Only texts made of allowed characters and commands get there.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import IO

from vigos_eval.errors import GraderFault
from vigos_eval.grading.admission import is_admitted

WORKERS = 2
PAIR_LIMIT_S = 2.0
START_LIMIT_S = 120.0


class Compared(Enum):
    """What a worker says of a pair."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNREAD = "unread"
    TOO_LONG = "too long"


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    buffer: bytearray = field(default_factory=bytearray)
    is_ready: bool = False


class Pool:
    """Up to `WORKERS` processes, started when first needed, safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._idle: list[_Worker] = []
        self._count = 0
        self._owner = os.getpid()

    def compare(self, gold: str, answer: str, limit_s: float = PAIR_LIMIT_S) -> Compared:
        """What a worker says of the pair within `limit_s` seconds of wall-clock.

        Raises:
            GraderFault: No worker could be started; the fault is the machine's.
        """
        request = json.dumps({"gold": gold, "answer": answer}).encode() + b"\n"
        # A worker may have ended since its last pair (its share of processor time is used up,
        # somebody killed it): that is no word about this pair, so the others are asked.
        for _ in range(WORKERS + 1):
            worker = self._taken()
            line = _reply(worker, request, limit_s)
            if line:
                self._returned(worker)
                equal = json.loads(line)["equal"]
                if equal is None:
                    return Compared.UNREAD
                return Compared.EQUAL if equal else Compared.DIFFERENT
            self._dropped(worker)
            if line is None:
                return Compared.TOO_LONG
        return Compared.UNREAD

    def warm(self) -> None:
        """Start all workers and wait until they have loaded their libraries (a second or two)."""
        with self._lock:
            self._forget_if_forked()
            while self._count < WORKERS:
                self._idle.append(_Worker(_started()))
                self._count += 1
        for worker in [self._taken() for _ in range(WORKERS)]:
            self._returned(worker)

    def close(self) -> None:
        """End all idle workers."""
        with self._lock:
            if self._owner == os.getpid():
                for worker in self._idle:
                    _ended(worker.process)
                    self._count -= 1
            self._idle.clear()

    def _taken(self) -> _Worker:
        with self._lock:
            self._forget_if_forked()
            while not self._idle and self._count >= WORKERS:
                self._lock.wait()
            if self._idle:
                ready = [place for place, worker in enumerate(self._idle) if worker.is_ready]
                worker = self._idle.pop(ready[-1] if ready else -1)
            else:
                worker = _Worker(_started())
                self._count += 1
        if not worker.is_ready:
            if _line(worker, START_LIMIT_S) != b"ready":
                self._dropped(worker)
                raise GraderFault("the algebra worker did not start")
            worker.is_ready = True
        return worker

    def _forget_if_forked(self) -> None:
        """After a fork the workers are the parent's: this process starts its own."""
        if self._owner != os.getpid():
            self._idle.clear()
            self._count, self._owner = 0, os.getpid()

    def _returned(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)
            self._lock.notify()

    def _dropped(self, worker: _Worker) -> None:
        _ended(worker.process)
        with self._lock:
            self._count -= 1
            self._lock.notify()
            if worker.is_ready:
                # The next pair should not wait for sympy's import.
                self._idle.append(_Worker(_started()))
                self._count += 1


def _started() -> subprocess.Popen[bytes]:
    # A bare environment: the worker reads model text and needs no key that lies in ours.
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
    }
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "vigos_eval.grading.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise GraderFault(f"the algebra worker cannot be started: {error}") from error


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        _closed(pipe)


def _closed(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        try:
            pipe.close()
        except BrokenPipeError:
            return  # unsent bytes for a process that is gone


def _reply(worker: _Worker, request: bytes, limit_s: float) -> bytes | None:
    """The worker's line for a request, b"" when it has ended, None when the time is up."""
    assert worker.process.stdin is not None
    try:
        worker.process.stdin.write(request)
        worker.process.stdin.flush()
    except BrokenPipeError:
        return b""
    return _line(worker, limit_s)


def _line(worker: _Worker, limit_s: float) -> bytes | None:
    """The next line the worker writes, b"" when it has ended, None when the time is up."""
    deadline = time.monotonic() + limit_s
    assert worker.process.stdout is not None
    stream = worker.process.stdout.fileno()
    while b"\n" not in worker.buffer:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            return None
        chunk = os.read(stream, 65536)
        if not chunk:
            return b""
        worker.buffer += chunk
    line, _, rest = bytes(worker.buffer).partition(b"\n")
    worker.buffer = bytearray(rest)
    return line


POOL = Pool()
atexit.register(POOL.close)


@lru_cache(maxsize=4096)
def compared(gold: str, answer: str) -> Compared:
    """What sympy and math-verify say of two texts; UNREAD when one may not be sent to them.

    Raises:
        GraderFault: No worker could be started.
    """
    # Our grammar reads all that has no command; what it refuses there is prose.
    if "\\" not in gold + answer or not (is_admitted(gold) and is_admitted(answer)):
        return Compared.UNREAD
    return POOL.compare(gold, answer)
