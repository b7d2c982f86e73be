"""`vigos-eval plan`: what an evaluation costs, against sums done by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from vigos_eval.cli import main
from vigos_eval.commands import plan


def lines(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """The printed table: task -> its cells."""
    assert main(["plan", *words]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]
    return {row[0]: row[1:] for row in cells}


def test_prompts_samples_tokens_and_time_of_rows_at_hand(
    sample_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--tasks", "mmmu,mathverse,vilp", "--model", "x"]
    found = lines([*words, "--tokens-per-s", "10", "--tokens-per-response", "90"], capsys)
    # Five questions x 5; 15 x 5; four rows x 3 images asked once each. 90 tokens at 10 per second.
    assert [found["mmmu"][i] for i in (0, 1, 3, 4)] == ["5", "25", "~2,250", "3 min"]
    assert [found["mathverse"][i] for i in (0, 1, 3, 4)] == ["15", "75", "~6,750", "11 min"]
    assert [found["vilp_f"][i] for i in (0, 1, 3, 4)] == ["12", "12", "~1,080", "1 min"]
    assert [found["total"][i] for i in (0, 1, 3, 4)] == ["44", "124", "~11,160", "18 min"]


def test_without_the_data_the_published_sizes_are_marked_as_estimates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("VIGOS_DATA_ROOT", raising=False)
    found = lines(["--tasks", "vigos", "--protocol", "release"], capsys)
    assert found["mmmu_pro"][:2] == ["~3,322", "~16,610"]
    assert found["vilp_p"][:2] == ["~900", "~4,500"], "release asks ViLP five times"
    # The paper's rows: 13,778 + 2 x 900.
    assert found["total"][:2] == ["~15,578", "~77,890"]


def test_a_benchmark_of_the_users_own_is_counted_from_its_rows_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("VIGOS_DATA_ROOT", raising=False)
    monkeypatch.delitem(plan.PUBLISHED_QUESTIONS, "mmsi")
    assert main(["plan", "--tasks", "mmsi"]) == 2
    assert "mmsi has no published size; set VIGOS_DATA_ROOT" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--tokens-per-s", "--tokens-per-response"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf"])
def test_a_pace_that_is_no_number_above_0_is_named(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--tasks", "mmmu", flag, value]) == 2
    assert f"{flag} is {value}; it must be a number above 0" in capsys.readouterr().err
