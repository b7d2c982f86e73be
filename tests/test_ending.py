"""How commands end: one line and a code of their own for what is the user's to mend."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from synthetic_runs import write_run

from vigos_eval.ending import exit_code

GATE = ("--max-drop", "1")


def main_in_a_process(program: str, words: list[str], stdout: int) -> tuple[int, str]:
    """Exit code and stderr of a command, as torchrun starts it, with its output to an open file."""
    done = subprocess.run(
        [sys.executable, "-m", program, *words], stdout=stdout, stderr=subprocess.PIPE, text=True
    )
    return done.returncode, done.stderr


def test_a_reader_that_leaves_ends_a_command_without_a_word(tmp_path: Path) -> None:
    """1 would be REGRESSION; `report RUN | head` is no fault at all."""
    write_run(run := tmp_path / "run", {"mmmu": 20})
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = main_in_a_process("vigos_eval", ["compare", str(run), str(run), *GATE], writer)
    finally:
        os.close(writer)
    assert ended == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_the_output_is_one_line_and_no_regression(tmp_path: Path) -> None:
    write_run(run := tmp_path / "run", {"mmmu": 20})
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        ended = main_in_a_process("vigos_eval", ["compare", str(run), str(run), *GATE], full)
    finally:
        os.close(full)
    assert ended == (2, "vigos-eval compare: output: No space left on device\n")


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (errno.EACCES, "vigos-eval report: runs/theirs/run.json: Permission denied\n"),
        (errno.ENOSPC, "vigos-eval report: runs/theirs/run.json: No space left on device\n"),
    ],
)
def test_what_the_disk_refuses_is_the_users_error(
    number: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> NoReturn:
        raise OSError(number, os.strerror(number), "runs/theirs/run.json")

    assert exit_code("vigos-eval report", work) == 2
    assert capsys.readouterr().err == line


def test_another_fault_of_the_system_keeps_its_traceback() -> None:
    def work() -> NoReturn:
        raise OSError(errno.EBADF, "Bad file descriptor")

    with pytest.raises(OSError, match="Bad file descriptor"):
        exit_code("vigos-eval report", work)


def test_ctrl_c_ends_training_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vigos_train import cli
    from vigos_train.commands import merge

    def interrupted(args: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(merge, "run", interrupted)
    assert cli.main(["merge", "adapter", "out"]) == 130
    assert capsys.readouterr().err == "vigos-train merge: interrupted; what was written is kept\n"
