"""A short fixed run in the toy world: trained on mostly usual pictures, it answers unusual ones better.

With an adapter left on for the teachers it ends at 0.00, with the two teachers in each other's
place at 0.17 (0.44 as it is); what else can break is seen by the per-token golden of
test_toy_losses, whose docstring has the figures of both.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from vigos_train.loading import load_config, replaced
from vigos_train.toy.pretrain import pretrain
from vigos_train.toy.trials import exam, training_rows, trial

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "configs/train/toy_vigos.yaml"
BASE_STEPS = 300
STEPS = 24
MARGIN = 0.15


def test_a_short_run_sees_what_the_base_did_not(tmp_path: Path) -> None:
    pretrain(tmp_path / "base", seed=0, steps=BASE_STEPS)
    config = replaced(
        load_config(CONFIG),
        model__pretrained=str(tmp_path / "base"),
        optim__max_steps=STEPS,
        output__folder=str(tmp_path / "run"),
    )
    rows = training_rows(STEPS * config.optim.batch_size, aligned=0.95, seed=0)
    (_, before), (_, after) = trial(config, rows, exam(24, seed=1), every=STEPS)
    print(before, after)
    assert before["aligned"] >= 0.9
    assert before["format"] >= 0.95
    assert before["conflict"] <= 0.5
    assert after["conflict"] >= before["conflict"] + MARGIN
    assert after["aligned"] >= 0.8
