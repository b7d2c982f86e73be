"""Seconds and peak memory of `report` and `compare` on 15,000 questions x 5 responses.

    python bench/report_speed.py [--words 600] [--folder DIR]

Writes two synthetic runs (about 250 MB each with 600 words per response) and runs each command
three times in a fresh process. Limits to hold: 5 s and 1 GB.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from synthetic_runs import Model, write_run  # noqa: E402

# 15,000 questions in the proportions of the paper's table.
TASKS = {
    "mm_vet": 218,
    "mmmu": 895,
    "mmmu_pro": 3322,
    "mathverse": 3940,
    "mathvista": 1000,
    "mmsi": 1000,
    "realworldqa": 765,
    "cv_bench": 2060,
    "vilp_f": 900,
    "vilp_p": 900,
}


def measured(words: list[str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak resident megabytes of one command, run afresh."""
    child = [sys.executable, "-m", "vigos_eval.cli", *words]
    started = time.perf_counter()
    process = subprocess.Popen(child, stdout=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1, 3):
        raise SystemExit(f"{' '.join(words)} exited {code}")
    scale = 1024 if sys.platform != "darwin" else 1024**2
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale


def main() -> None:
    """Make the runs, time the commands, print one line per command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int, default=600, help="words per response")
    parser.add_argument("--folder", type=Path, help="keep the runs here and use them again")
    args = parser.parse_args()
    assert sum(TASKS.values()) == 15_000
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        runs = []
        for name, seed in (("base", 0), ("candidate", 1)):
            run = folder / name
            if not (run / "run.json").is_file():
                # The release protocol samples ViLP five times too.
                write_run(
                    run, TASKS, Model(words=args.words), seed=seed, settings={"protocol": "release"}
                )
            runs.append(str(run))
        size = sum(path.stat().st_size for path in Path(runs[0]).iterdir()) / 1e6
        print(f"15,000 questions x 5 responses, {size:.0f} MB per run")
        for words in (
            ["report", runs[0], "--passes"],
            ["report", runs[0], "--paper", "ViGOS-7B", "--format", "json"],
            ["compare", *runs, "--max-drop", "1.0"],
        ):
            times, work, peaks = zip(*[measured(words) for _ in range(3)], strict=True)
            print(
                f"{words[0]:8} {words[-1]:12} median {statistics.median(times):.2f} s "
                f"(processor {statistics.median(work):.2f} s), "
                f"peak {max(peaks):.0f} MB"
            )


if __name__ == "__main__":
    # Children report kilobytes; our own limit keeps a mistake from filling the machine.
    resource.setrlimit(resource.RLIMIT_AS, (8 * 1024**3, resource.RLIM_INFINITY))
    main()
