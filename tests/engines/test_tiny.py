"""`vigos-eval tiny`: the same bytes each time, and nothing of the user's overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from vigos_eval.cli import main
from vigos_eval.engines.checkpoint import find_checkpoint


def test_the_command_makes_a_whole_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tiny", str(tmp_path / "out")]) == 0
    assert f"pretrained={tmp_path / 'out'}" in capsys.readouterr().out
    assert find_checkpoint(str(tmp_path / "out")).adapter is None
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) < 5_000_000


def test_the_same_seed_makes_the_same_weights(tiny: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        assert main(["tiny", str(tmp_path / str(seed)), "--seed", str(seed)]) == 0
    first = find_checkpoint(str(tiny)).identity
    assert find_checkpoint(str(tmp_path / "0")).identity == first
    assert find_checkpoint(str(tmp_path / "1")).identity["weights"] != first["weights"]


def test_it_may_be_made_again_in_place(tmp_path: Path) -> None:
    assert main(["tiny", str(tmp_path / "out")]) == 0
    assert main(["tiny", str(tmp_path / "out"), "--seed", "1"]) == 0


def test_a_folder_with_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert main(["tiny", str(tmp_path)]) == 2
    assert "is no tiny checkpoint; name a new folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
