"""`vigos-train toy-pretrain`: what is wrong is said in one line before anything is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from vigos_train.cli import main
from vigos_train.toy.card import base_card


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--steps", "-5"], "--steps -5: use 1 or more", id="steps"),
        pytest.param(["--seed", "-1"], "--seed -1: use 0 to", id="numpy-takes-none-below-0"),
        pytest.param(["--seed", str(2**70)], "use 0 to 2**63 - 1", id="torch-takes-64-bits"),
    ],
)
def test_a_number_out_of_range_is_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["toy-pretrain", "--out", str(tmp_path / "toy"), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "toy").exists()


def test_a_place_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["toy-pretrain", "--out", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--out {tmp_path / 'file'} cannot be written" in line
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["base", "world"])
def test_a_folder_of_that_name_that_is_somebody_elses_is_not_replaced(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "README.md").write_text("# My seven billion parameters\n")
    assert main(["toy-pretrain", "--out", str(tmp_path), "--steps", "1"]) == 2
    assert "was not made by toy-pretrain" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == [name, "README.md"]


def test_ctrl_c_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("vigos_train.toy.files.write_world", interrupted)
    assert main(["toy-pretrain", "--out", str(tmp_path)]) == 130
    assert "toy-pretrain: interrupted" in capsys.readouterr().err


@pytest.mark.slow
def test_an_older_base_is_replaced_and_says_how_it_was_made(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/README.md").write_text(base_card(7, 400))
    assert main(["toy-pretrain", "--out", str(tmp_path), "--steps", "1", "--seed", "3"]) == 0
    assert (tmp_path / "base/README.md").read_text() == base_card(3, 1)
    assert (tmp_path / "base/model.safetensors").is_file()
