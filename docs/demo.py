"""`make demo`: the whole story on two cores. A base that answers the prior, trained until it looks.

    base -> lmms-eval -> vigos-train run -> lmms-eval on the adapter -> compare, report, page

The data and the base are the toy world's (docs/toy_world.md): `vigos-train toy-pretrain` makes them
when build/toy holds none. Everything else lies in build/demo and is made anew each time.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TOY = Path("build/toy")
OUT = Path("build/demo")
CONFIG = "configs/train/toy_vigos.yaml"
TASKS = "mmmu,mathverse,vilp"
BLIND_LOG = OUT / "blind.log"
STARTED = time.monotonic()
LEGEND = """\
Score: pictures against the prior. Prior: pictures as usual. Blind: no picture, so what
is left is the prior alone. MathVerse only counts here, and the paper's clip drops nearly every
token that could teach counting: docs/toy_world.md. The rows are the toy world's own, in the
real sets' columns: the figures say nothing about the real benchmarks."""
begun: list[subprocess.Popen[bytes]] = []


def main() -> None:
    """Every step in turn, then one table."""
    if not all((ROOT / TOY / each).is_file() for each in ("world/README.md", "base/config.json")):
        headline("No base yet: draw the world, pre-train a Qwen2.5-VL of a million parameters")
        say_and_do(["vigos-train", "toy-pretrain", "--out", str(TOY)])
    shutil.rmtree(ROOT / OUT, ignore_errors=True)
    headline("The base, with pictures and (control) without")
    evaluate("base", str(TOY / "base"))
    headline("ViGOS: the base teaches itself to see before it reasons")
    say_and_do(["vigos-train", "run", CONFIG])
    headline("The trained adapter, with pictures and without")
    evaluate("trained", str(OUT / "training/adapter"))
    headline("Is it worse anywhere?")
    runs = [str(OUT / "base"), str(OUT / "trained")]
    # REGRESSION (1) and CANNOT TELL (3) are verdicts on the model, not faults of the demo.
    say_and_do(["vigos-eval", "compare", *runs, "--max-drop", "5"], allowed=(0, 1, 3))
    headline("Report and page")
    say_and_do(["vigos-eval", "report", runs[1], "--brief"])
    say_and_do(["vigos-eval", "view", runs[1], "--against", runs[0]])
    show_story()
    print(f"\nEvery sample, base and trained side by side: {OUT / 'trained/view.html'}")


def headline(text: str) -> None:
    """A heading with the time since the start."""
    minutes, seconds = divmod(round(time.monotonic() - STARTED), 60)
    print(f"\n== {minutes}:{seconds:02d}  {text}", flush=True)


def evaluate(name: str, checkpoint: str) -> None:
    """The literal command, and beside it ViLP with the pictures taken away; one core each."""
    blind = start(lmms_eval("vilp", checkpoint, f"{name}-blind", ",control=blind"), is_quiet=True)
    seen = start(lmms_eval(TASKS, checkpoint, name, ""))
    # Both are waited for before either is judged: none is left running.
    ended = ((name, seen.wait(), "above"), (f"{name}-blind", blind.wait(), f"in {BLIND_LOG}"))
    for run, code, where in ended:
        if code or not (ROOT / OUT / run / "scores.json").is_file():
            sys.exit(f"make demo: {OUT / run} has no scores; the reason stands {where}")


def lmms_eval(tasks: str, checkpoint: str, run: str, more: str) -> list[str]:
    """The command's words."""
    arguments = f"pretrained={checkpoint},protocol=demo,run={OUT / run}{more}"
    words = f"lmms-eval --model vigos --tasks {tasks} --verbosity WARNING --model_args {arguments}"
    return words.split()


def say_and_do(words: list[str], allowed: tuple[int, ...] = (0,)) -> None:
    """Print a command as a reader would type it, then run it."""
    code = start(words).wait()
    if code not in allowed:
        sys.exit(f"make demo: {words[0]} {words[1]} ended with {code}; the reason stands above")


def start(words: list[str], *, is_quiet: bool = False) -> subprocess.Popen[bytes]:
    """A command, said and started; a quiet one writes into a log."""
    data = f"VIGOS_DATA_ROOT={TOY / 'world'} " if words[0] == "lmms-eval" else ""
    print(f"\n$ {data}{shlex.join(words)}", flush=True)
    environment = {
        **os.environ,
        "VIGOS_DATA_ROOT": str(ROOT / TOY / "world"),
        "HF_HUB_OFFLINE": "1",
        # One thread each: these matrices are small, and threads that wait spin.
        "OMP_NUM_THREADS": "1",
    }
    log = None
    if is_quiet:
        (ROOT / OUT).mkdir(parents=True, exist_ok=True)
        log = (ROOT / BLIND_LOG).open("ab")
    begun.append(
        subprocess.Popen(
            [str(BIN / words[0]), *words[1:]], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    )
    return begun[-1]


def show_story() -> None:
    """Score and Prior before and after, the blind control beside them."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="\nDoes it look?  percent", title_justify="left")
    table.add_column("")
    for name in ("base", "trained", "base, blind", "trained, blind"):
        table.add_column(name, justify="right")
    runs = [json.loads((ROOT / OUT / r / "scores.json").read_text())["tasks"] for r in RUNS]
    for task, title in (("vilp_f", "ViLP-F"), ("vilp_p", "ViLP-P")):
        for key in ("score", "prior"):
            cells = [percent(tasks[task]["vilp"]["word"][key]) for tasks in runs]
            table.add_row(f"{title} {key.capitalize()}", *cells)
    for task, title in (("mmmu", "MMMU Avg@5"), ("mathverse", "MathVerse Avg@5")):
        cells = [percent(tasks[task]["avg"]) if task in tasks else "" for tasks in runs]
        table.add_row(title, *cells)
    Console(width=100).print(table)
    print(LEGEND)


RUNS = ("base", "trained", "base-blind", "trained-blind")


def percent(score: dict[str, float]) -> str:
    """Value and standard error in points."""
    return f"{100 * score['value']:.1f} ±{100 * score['stderr']:.1f}"


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("make demo: interrupted; the same command starts anew, a finished base is kept")
    finally:
        for process in begun:
            if process.poll() is None:
                process.terminate()
