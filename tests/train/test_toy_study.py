"""The study's runner: resumes where it stopped, one line per run, a table with mean and spread."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.scripts import loaded

BENCH = Path(__file__).parents[2] / "bench/toy_study.py"


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return loaded(BENCH)


def line(
    study: ModuleType, arm: Any, seed: int, conflict: float, steps: int = 100
) -> dict[str, Any]:
    base = dict.fromkeys(study.COLUMNS, 0.0) | {"aligned": 1.0}
    curve = [{"step": 0, **base}, {"step": steps, **base, "conflict": conflict}]
    return {**study.asdict(arm), "seed": seed, "steps": steps, "seconds": 1.0, "curve": curve}


def test_every_arm_that_the_issue_names_is_run(study: ModuleType) -> None:
    arms = study.arms()
    assert len(arms) == len(set(arms)) == 2 * 9
    assert {(a.clip_mode, a.reasoning_prefix) for a in arms if a.method == "vigos"} == {
        (clip, prefix) for clip in ("token", "vocab", "none") for prefix in ("student", "none")
    }
    assert {a.clip_mode for a in arms if a.method == "opsd"} == {"token", "vocab", "none"}


def test_an_arm_reaches_the_config(study: ModuleType, tmp_path: Path) -> None:
    arm = study.Arm("opsd", "vocab", "student", 0.5)
    config = study.arm_config(arm, 3, tmp_path, 7)
    assert (config.method, config.loss.clip_mode, config.optim.seed) == ("opsd", "vocab", 3)
    assert config.optim.max_steps == 7
    assert config.model.pretrained == str(tmp_path)


def test_a_torn_last_line_is_run_again(study: ModuleType, tmp_path: Path) -> None:
    first, second = study.arms()[:2]
    file = tmp_path / "study.jsonl"
    whole = json.dumps(line(study, first, 0, 0.5))
    file.write_text(whole + "\n" + json.dumps(line(study, second, 0, 0.5))[:-9])
    assert study.finished(file) == {(first, 0)}
    study.drop_torn_line(file)
    assert file.read_text() == whole + "\n"


def test_the_table_has_mean_and_spread_over_seeds(study: ModuleType) -> None:
    arm = study.arms()[0]
    table = study.table([line(study, arm, seed, 0.4 + 0.1 * seed) for seed in range(3)])
    base, trained = table.splitlines()[2:]
    assert base.startswith("| 95% | base | 3 | 100 ±0 | 0 ±0 |")
    assert trained.startswith("| 95% | ViGOS, prefix student, clip token | 3 | 100 ±0 | 50 ±10 |")


def test_the_table_of_the_docs_is_the_files(study: ModuleType) -> None:
    docs = BENCH.parents[1] / "docs"
    lines = study.lines_of(docs / "toy_study.jsonl")
    assert len(lines) == 2 * 9 * 5
    assert study.table(lines) in (docs / "toy_world.md").read_text(encoding="utf-8")


def test_the_figure_is_drawn_from_the_lines(study: ModuleType, tmp_path: Path) -> None:
    lines = [line(study, arm, seed, 0.5) for arm in study.arms() for seed in range(2)]
    study.save_figure(lines, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_the_figure_of_a_study_cut_short_is_drawn(study: ModuleType, tmp_path: Path) -> None:
    """The last arms of a share have no run yet."""
    lines = [line(study, study.arms()[0], 0, 0.5)]
    study.save_figure(lines, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("run {file} --part x", "invalid one_part value", id="no-part"),
        pytest.param("run {file} --part 2/2", "2/2: of N processes the first is 0/N", id="part-2"),
        pytest.param("run {file} --seeds 0", "are at least 1", id="no-seeds"),
        pytest.param("run {file} --steps -1", "are at least 1", id="no-steps"),
        pytest.param("run {file} --shares 0.9", "invalid choice: 0.9", id="the-table-has-no-90"),
        pytest.param("show {file}x", "holds no finished run", id="no-file"),
    ],
)
def test_a_wrong_word_is_one_line(
    study: ModuleType,
    words: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        study.main(words.format(file=tmp_path / "study.jsonl").split())
    said = capsys.readouterr().err + str(ended.value)
    assert message in said


def test_runs_of_another_length_are_not_mixed(study: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "study.jsonl"
    file.write_text(json.dumps(line(study, study.arms()[0], 0, 0.5)) + "\n")
    with pytest.raises(SystemExit, match="holds runs of other --steps than 50"):
        study.main(f"run {file} --steps 50".split())


def test_a_line_that_is_no_run_is_named(study: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "study.jsonl"
    whole = json.dumps(line(study, study.arms()[0], 0, 0.5)) + "\n"
    file.write_text(whole + '{"torn\n' + whole)
    with pytest.raises(SystemExit, match="line 2 is no run"):
        study.lines_of(file)


@pytest.mark.slow
def test_a_run_leaves_a_line_and_is_not_run_again(study: ModuleType, tmp_path: Path) -> None:
    from vigos_train.toy.pretrain import pretrain

    file = tmp_path / "study.jsonl"
    pretrain(tmp_path / "base-0", seed=0, steps=2)
    arms = study.arms([0.95])
    # All of the seed's runs but the last are in the file.
    done = [line(study, arm, 0, 0.5, steps=2) for arm in arms[:-1]]
    file.write_text("".join(json.dumps(each) + "\n" for each in done))
    words = f"run {file} --bases {tmp_path} --seeds 1 --steps 2 --every 1 --shares 0.95"
    study.main(words.split())
    lines = study.lines_of(file)
    assert lines[:-1] == done
    assert study.arm_of(lines[-1]) == arms[-1]
    assert [mark["step"] for mark in lines[-1]["curve"]] == [0, 1, 2]
    text = file.read_text()
    study.main(words.split())
    assert file.read_text() == text
