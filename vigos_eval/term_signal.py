"""SIGTERM, held back while a line is written: a scheduler may end a job, never tear its journal."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class TermSignal:
    """While it is open, SIGTERM ends the process, but never in the middle of a line."""

    def __enter__(self) -> TermSignal:
        self._is_writing = self._is_asked = False
        # Signal handlers belong to the main thread; elsewhere the default stays.
        self._is_main = threading.current_thread() is threading.main_thread()
        if self._is_main:
            self._before = signal.signal(signal.SIGTERM, self._arrived)
        return self

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold SIGTERM back until the block is through."""
        self._is_writing = True
        try:
            yield
        finally:
            self._is_writing = False
        if self._is_asked:
            raise SystemExit(128 + signal.SIGTERM)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self._is_asked = True
        if not self._is_writing:
            raise SystemExit(128 + signal.SIGTERM)

    def __exit__(self, *error: object) -> None:
        if self._is_main:
            signal.signal(signal.SIGTERM, self._before)
