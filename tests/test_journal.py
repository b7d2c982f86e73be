"""The journal: whole lines or none, one writer, room that runs out."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vigos_eval.errors import RunFolderError
from vigos_eval.journal import Journal
from vigos_eval.records import CompletionRecord, Response, read_completions
from vigos_eval.types import AnswerKind, Sample


def record(number: int, text: str = "x", skipped: str | None = None) -> CompletionRecord:
    sample = Sample("mmmu", "paper", f"q{number}", "why?", "A", AnswerKind.CHOICE, "c", ("a", "b"))
    responses = () if skipped else (Response(text, 3, "stop", 42),)
    return CompletionRecord(f"mmmu:{number:05d}:q{number}", "h", sample, (), 7, responses, skipped)


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(record(1, "ünï\u2028code\nline"))
        journal.append(record(0))
    found = read_completions(tmp_path)
    assert list(found) == ["mmmu:00000:q0", "mmmu:00001:q1"]
    assert found["mmmu:00001:q1"] == record(1, "ünï\u2028code\nline")


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_is_asked_again_and_the_rest_is_kept(tmp_path: Path, cut: int) -> None:
    with Journal(tmp_path) as journal:
        journal.append(record(0))
        journal.append(record(1))
    path = tmp_path / "completions.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert list(read_completions(tmp_path)) == ["mmmu:00000:q0"]
    with Journal(tmp_path) as journal:
        journal.append(record(1))
    assert list(read_completions(tmp_path)) == ["mmmu:00000:q0", "mmmu:00001:q1"]


def test_a_torn_line_longer_than_a_block_is_cut(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(record(0))
        journal.append(record(1, "y" * 200_000))
    path = tmp_path / "completions.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    with Journal(tmp_path):
        pass
    assert path.read_bytes().count(b"\n") == 1
    assert path.read_bytes().endswith(b"\n")


def test_damage_before_the_last_line_is_named(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(record(0))
        journal.append(record(1))
    path = tmp_path / "completions.jsonl"
    path.write_bytes(b"{" + path.read_bytes())
    with pytest.raises(RunFolderError, match="line 1 is damaged"):
        read_completions(tmp_path)


def test_two_processes_do_not_write_one_run_folder(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from vigos_eval.journal import Journal; Journal(Path({str(tmp_path)!r}))"
    with Journal(tmp_path):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "in use by another process" in done.stderr.splitlines()[-1]
    assert "run=DIR" in done.stderr.splitlines()[-1]


def test_a_full_disk_takes_the_half_line_back(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the kernel refuse the write in the middle, as a full disk does."""
    with Journal(tmp_path) as journal:
        journal.append(record(0))
        size = journal.path.stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
        try:
            with pytest.raises(RunFolderError, match="make room and run the same command"):
                journal.append(record(1, "z" * 10_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        assert journal.path.stat().st_size == size
        journal.append(record(1))
    assert len(read_completions(tmp_path)) == 2


def test_ranks_write_files_of_their_own_and_reading_merges_them(tmp_path: Path) -> None:
    for rank in (0, 1):
        with Journal(tmp_path, rank, 2) as journal:
            journal.append(record(rank))
            journal.append(record(5))
    with Journal(tmp_path) as journal:
        journal.append(record(2))
    assert [key.split(":")[1] for key in read_completions(tmp_path)] == [
        "00000", "00001", "00002", "00005",
    ]  # fmt: skip


def test_a_row_that_was_skipped_and_then_answered_is_answered(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(record(3, skipped="no image"))
        answered = record(3)
        journal.append(CompletionRecord(**{**vars(answered), "key": "mmmu:00003:mended"}))
    assert list(read_completions(tmp_path)) == ["mmmu:00003:mended"]
