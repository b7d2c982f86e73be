"""Locks and sources name no registry, host or machine path."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def test_there_are_locks() -> None:
    assert len(LOCKS) >= 2


@pytest.mark.parametrize("path", LOCKS, ids=lambda p: p.name)
def test_a_lock_holds_no_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|file:", text)


def test_every_requirement_of_the_lock_is_pinned() -> None:
    lines = [
        line
        for line in (ROOT / "requirements/lock.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.lstrip().startswith("#")
    ]
    assert len(lines) > 100
    assert all("==" in line for line in lines)


def test_no_tracked_file_is_a_uv_lock_or_names_a_machine_path() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "uv.lock" not in tracked
    above = str(ROOT.resolve().parent).rstrip("/") + "/"
    if above == "/":
        return
    found = subprocess.run(
        ["git", "grep", "-lF", above], cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert not found
