"""How far a run is: a bar on a terminal, a plain line every 30 s elsewhere. Nothing else."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

LINE_EVERY_S = 30.0


class Progress:
    """Counts prompts and tokens and says tokens per second and the time left.

    Args:
        total: Prompts in all.
        done: Prompts that were answered in an earlier run.
        name: What is counted, for the reader.
        stream: Where to write; stderr by default.
        is_shown: False keeps silent (ranks other than 0).
    """

    def __init__(
        self,
        total: int,
        done: int = 0,
        *,
        name: str = "vigos",
        stream: TextIO | None = None,
        is_shown: bool = True,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._total, self._done, self._name = total, done, name
        self._asked = 0
        self._tokens = 0
        self._start = self._last = time.monotonic()
        self._is_shown = is_shown
        self._bar: Any = None
        if is_shown and self._stream.isatty():
            self._bar = tqdm(total=total, initial=done, desc=name, unit="prompt", file=self._stream)
        elif is_shown:
            print(f"{name}: {done} of {total} prompts are already answered", file=self._stream)

    def advance(self, tokens: int) -> None:
        """Count one more prompt, answered with that many tokens over all its samples."""
        self._done += 1
        self._asked += 1
        self._tokens += tokens
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self.tokens_per_s:.0f} tok/s", refresh=False)
            self._bar.update(1)
        elif self._is_shown and time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            print(self.line(), file=self._stream, flush=True)

    @property
    def tokens_per_s(self) -> float:
        """Sampled tokens per second since the start of this process's work."""
        return self._tokens / max(time.monotonic() - self._start, 1e-9)

    def line(self) -> str:
        """One line: done, total, tokens per second, time left."""
        left = self._total - self._done
        pace = (time.monotonic() - self._start) / max(self._asked, 1)
        return (
            f"{self._name}: {self._done}/{self._total} prompts, {self.tokens_per_s:.0f} tokens/s, "
            f"{duration(left * pace)} left"
        )

    def close(self) -> None:
        """End the bar, or write the closing line."""
        if self._bar is not None:
            self._bar.close()
        elif self._is_shown and self._asked:
            print(self.line(), file=self._stream, flush=True)


def duration(seconds: float) -> str:
    """A length of time for people.

    >>> duration(42), duration(3725), duration(200000)
    ('42 s', '1 h 02 min', '55 h 33 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
