"""`make demo`: a tiny random checkpoint through the literal lmms-eval command, then the report and the page.

It shows that every part works on this machine; the checkpoint answers noise, so the scores are 0.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
CHECKPOINT = Path("build/tiny")
RUN = Path("build/demo")


def say_and_do(words: list[str]) -> None:
    """Print a command as a reader would type it, then run it; its failure is ours."""
    data = "VIGOS_DATA_ROOT=tests/data/sample " if words[0] == "lmms-eval" else ""
    print(f"\n$ {data}{shlex.join(words)}", flush=True)
    environment = {**os.environ, "VIGOS_DATA_ROOT": str(ROOT / "tests/data/sample")}
    environment["HF_HUB_OFFLINE"] = "1"
    done = subprocess.run([str(BIN / words[0]), *words[1:]], cwd=ROOT, env=environment)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    """Checkpoint, evaluation, report, page."""
    if not (ROOT / CHECKPOINT / "config.json").is_file():
        say_and_do(["vigos-eval", "tiny", str(CHECKPOINT)])
    arguments = f"pretrained={CHECKPOINT},protocol=demo,run={RUN}"
    evaluation = "lmms-eval --model vigos --tasks mmmu,mathverse,vilp --verbosity WARNING"
    say_and_do([*evaluation.split(), "--model_args", arguments])
    if not (ROOT / RUN / "scores.json").is_file():
        sys.exit("make demo: no scores were written; the reason stands above")
    say_and_do(["vigos-eval", "report", str(RUN), "--brief"])
    say_and_do(["vigos-eval", "view", str(RUN)])
    print(f"\nrun folder: {RUN}    page with every sample: {RUN / 'view.html'}")


if __name__ == "__main__":
    main()
