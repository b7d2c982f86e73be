"""The whole thing as a user starts it: smoke.yaml trains on a CPU, and lmms-eval takes the adapter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vigos_eval.records import read_completions, read_run_settings

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_smoke_run_trains_and_its_checkpoint_goes_through_lmms_eval(tmp_path: Path) -> None:
    folder = tmp_path / "smoke"
    changed = {
        "output.folder": str(folder),
        "output.save_every": 8,
        "evaluation.tasks": "vilp",
        "evaluation.task_args": "protocol=demo",
        "evaluation.task_limit": 1,
    }
    words = [word for key, value in changed.items() for word in ("--set", f"{key}={value}")]
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "vigos_train", "run", "configs/train/smoke.yaml", *words],
        cwd=ROOT,
        env={
            **os.environ,
            "VIGOS_DATA_ROOT": str(ROOT / "tests" / "data" / "sample"),
            "HF_HUB_OFFLINE": "1",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    print(f"{time.monotonic() - start:.0f} s\n{done.stderr}")
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 9))
    # The base learnt the format: at least half of what it writes is valid, in every step.
    assert min(line["format_rate"] for line in steps) >= 0.5
    assert "rollouts are valid" in done.stderr
    assert lines[-1]["eval/format_rate"] >= 0.5
    run = folder / "benchmarks" / "step-000008"
    assert (run / "scores.json").is_file(), (folder / "benchmarks" / "step-000008.log").read_text()
    assert read_run_settings(run)["model"]["pretrained"].endswith("checkpoints/step-000008")
    answers = [r.text for record in read_completions(run).values() for r in record.responses]
    # It writes what it was trained to write: the format, on images it never saw.
    assert sum("</description>" in text for text in answers) >= len(answers) / 2
