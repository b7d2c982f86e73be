"""The append-only journal of completions: one line per prompt, whole or not there. No schema here.

A process owns one file: completions.jsonl, or completions.rank<i>.jsonl under several ranks.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType

from vigos_eval.errors import RunFolderError
from vigos_eval.records import CompletionRecord, completion_line


class Journal:
    """An open, locked journal file. Use as a context manager.

    Args:
        folder: The run folder; made when missing.
        rank: This process's rank.
        world_size: Number of ranks.

    Raises:
        RunFolderError: Another process writes this folder, or it cannot be written.
    """

    def __init__(self, folder: Path, rank: int = 0, world_size: int = 1) -> None:
        name = "completions.jsonl" if world_size == 1 else f"completions.rank{rank}.jsonl"
        self.path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / f".lock{rank}", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunFolderError(
                f"run folder {folder} cannot be written: {error.strerror}"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise RunFolderError(
                f"run folder {folder} is in use by another process; wait for it, or give this one "
                "a folder of its own with --model_args run=DIR"
            ) from error
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = _cut_torn_line(self._file)

    def append(self, record: CompletionRecord) -> None:
        """Write one record as one whole line.

        Raises:
            RunFolderError: The disk is full. What was written of the line is taken back, so
                that the same command resumes once there is room.
        """
        line = completion_line(record).encode()
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            os.ftruncate(self._file, self._size)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise RunFolderError(
                f"no room left for {self.path}; every earlier answer is kept: make room and run "
                "the same command again to go on"
            ) from error
        self._size += written

    def close(self) -> None:
        """Flush to the disk and let other processes in."""
        os.fsync(self._file)
        os.close(self._file)
        os.close(self._lock)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _cut_torn_line(file: int) -> int:
    """Remove what follows the last newline (a killed process's half line); returns the size."""
    size = os.fstat(file).st_size
    end = size
    while end > 0:
        start = max(0, end - 65536)
        block = os.pread(file, end - start, start)
        newline = block.rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(file, end)
    return end
