"""The judge's verdicts on disk, one line each, so that nothing is asked twice. No grading here."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import TracebackType
from typing import IO

from vigos_eval.errors import RunFolderError
from vigos_eval.grading.judge_prompt import PROMPT_VERSION


def verdict_key(model: str, question: str, options: tuple[str, ...], gold: str, answer: str) -> str:
    """Identity of one verdict: judge model, prompt version, question, options, gold, answer.

    >>> a = verdict_key("m", "q", (), "g", "a")
    >>> a == verdict_key("m", "q", (), "g", "a"), a == verdict_key("other", "q", (), "g", "a")
    (True, False)
    """
    parts = [model, str(PROMPT_VERSION), question, list(options), gold, answer]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class VerdictCache:
    """Verdicts by key, read once, each new one appended at once.

    A torn line (the process was killed while writing) is one verdict less and is asked again.
    """

    def __init__(self, path: Path) -> None:
        """Read the file when it is there.

        Raises:
            RunFolderError: It cannot be read or written.
        """
        self.path = path
        self._found: dict[str, bool] = {}
        try:
            raw = path.read_bytes() if path.exists() else b""
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("ab")
        except OSError as error:
            raise RunFolderError(f"the judge's cache {path} cannot be opened: {error}") from error
        if raw and not raw.endswith(b"\n"):
            self._file.write(b"\n")
        for line in raw.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # a torn line
            if isinstance(entry, dict) and isinstance(entry.get("correct"), bool):
                self._found[str(entry.get("key"))] = entry["correct"]

    def __enter__(self) -> VerdictCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def get(self, key: str) -> bool | None:
        """The verdict, or None when it was never given."""
        return self._found.get(key)

    def add(self, key: str, model: str, is_correct: bool) -> None:
        """Keep a verdict, on disk before this returns.

        Raises:
            RunFolderError: It cannot be written.
        """
        self._found[key] = is_correct
        entry = {"key": key, "model": model, "prompt": PROMPT_VERSION, "correct": is_correct}
        try:
            self._file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise RunFolderError(
                f"the judge's cache {self.path} cannot be written: {error}"
            ) from error
