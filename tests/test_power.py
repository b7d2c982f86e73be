"""`vigos-eval power`: planning from the spread of runs that exist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import Model, write_run

from vigos_eval.cli import main
from vigos_eval.compare.gate import difference_of
from vigos_eval.compare.pairing import paired_tasks, parse_metric
from vigos_eval.compare.power import questions_for, spreads
from vigos_eval.scored_run import read_run


def test_sampling_noise_is_what_fresh_samples_of_the_same_model_show(tmp_path: Path) -> None:
    """The smallest spread from one run predicts the error of an A/A pair."""
    a = read_run(write_run(tmp_path / "a", {"mmmu": 2000}))
    b = read_run(write_run(tmp_path / "b", {"mmmu": 2000}, seed=1))
    (alone,) = spreads(a, None, "avg", None)
    (pair,) = paired_tasks(a, b, parse_metric("avg"))
    assert alone.total_low == pytest.approx(2000 * difference_of(pair).stderr ** 2, rel=0.1)
    assert alone.total_high == pytest.approx(2 * 2000 * a.scores.tasks["mmmu"].avg.stderr ** 2)


def test_two_runs_measure_what_one_can_only_bound(tmp_path: Path) -> None:
    a = read_run(write_run(tmp_path / "a", {"mmmu": 1000}))
    b = read_run(write_run(tmp_path / "b", {"mmmu": 1000}, question_seed=8, seed=1))
    (alone,) = spreads(a, None, "avg", None)
    (both,) = spreads(a, b, "avg", None)
    assert both.rest_low == both.rest_high > 0
    assert alone.total_low < both.total_low <= 1.1 * alone.total_high


def test_the_promised_number_of_questions_lets_an_unchanged_checkpoint_pass(tmp_path: Path) -> None:
    """Draw A/A pairs of the promised size: L > -drop in 80 % of them."""
    run = read_run(write_run(tmp_path / "a", {"mmmu": 3000}, Model(unparsed=0, truncated=0)))
    (spread,) = spreads(run, None, "avg", None)
    questions, _ = questions_for(spread, 0.03, 5, 1)
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(1000):
        p = rng.beta(0.5, 0.5, int(questions))
        change = (rng.binomial(5, p) - rng.binomial(5, p)) / 5
        passed += change.mean() - 1.645 * change.std(ddof=1) / questions**0.5 > -0.03
    assert passed / 1000 == pytest.approx(0.80, abs=0.05)


def test_more_attempts_need_fewer_questions_and_a_smaller_drop_needs_more(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "a", {"mmmu": 200}))
    (spread,) = spreads(run, None, "avg", None)
    by_attempts = [questions_for(spread, 0.01, k, 1) for k in (1, 5, 20)]
    assert by_attempts[0] > by_attempts[1] > by_attempts[2]
    half = questions_for(spread, 0.005, 5, 1)
    assert half[0] == pytest.approx(4 * by_attempts[1][0], rel=0.001)


def test_the_command_plans_from_a_partial_pilot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pilot = write_run(
        tmp_path / "pilot", {"mmmu": 40, "vilp_f": 30}, settings={"partial": True, "limit": 40}
    )
    assert main(["power", str(pilot), "--drop", "1.0", "--tasks", "mmmu,vilp_f"]) == 0
    text = capsys.readouterr().out
    assert "Questions needed to tell a drop of 1 point from none" in text
    assert " mmmu             40 x 5" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("drop", ["0", "-1", "nan", "101"])
def test_a_drop_that_is_none_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], drop: str
) -> None:
    pilot = write_run(tmp_path / "pilot", {"mmmu": 10})
    assert main(["power", str(pilot), "--drop", drop]) == 2
    assert f"--drop {drop}; give points in (0, 100]" in capsys.readouterr().err
