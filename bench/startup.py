"""What starting costs: our import, --help, and what the plugin adds to other lmms-eval commands.

    python bench/startup.py

Medians of seven runs each, in turn, so that a busy machine disturbs both sides alike.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

WITHOUT = (
    "from lmms_eval.models.registry_v2 import ModelRegistryV2;"
    "ModelRegistryV2.load_entrypoint_manifests = lambda *a, **k: None;"
)
MODELS = "import sys; {patch} sys.argv = ['lmms-eval', 'models']; from lmms_eval.cli.dispatch import main; main()"
CASES = {
    "python -c pass": ["-c", "pass"],
    "import vigos_eval": ["-c", "import vigos_eval"],
    "vigos-eval --help": ["-m", "vigos_eval.cli", "--help"],
    "vigos-train --help": ["-m", "vigos_train", "--help"],
    "lmms-eval models, no plugin": ["-c", MODELS.format(patch=WITHOUT)],
    "lmms-eval models, ours": ["-c", MODELS.format(patch="")],
}


def seconds(words: list[str]) -> float:
    """Wall-clock time of one fresh interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], capture_output=True, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the medians and the difference the plugin makes."""
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(7):
        for name, words in CASES.items():
            times[name].append(seconds(words))
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, median in medians.items():
        print(f"{name:28} {median:6.2f} s")
    added = medians["lmms-eval models, ours"] - medians["lmms-eval models, no plugin"]
    print(f"the plugin adds {added:+.2f} s to `lmms-eval models`")


if __name__ == "__main__":
    main()
