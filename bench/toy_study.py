"""The toy study: base, OPSD and ViGOS over clips, reasoning prefixes, seeds and shares of usual pictures.

    python bench/toy_study.py run docs/toy_study.jsonl --seeds 5 --steps 100    # goes on where it stopped
    python bench/toy_study.py show docs/toy_study.jsonl --figure docs/images/toy_study.png

One line of the file is one finished run: its arm, its seed, and what was measured as it went. Every
seed has a base, a training set and an order of its own; all arms of a seed share them. Two processes
may write to one file: each takes every second seed (`--part 0/2`, `--part 1/2`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vigos_train.config import TrainConfig
from vigos_train.loading import load_config, replaced

CONFIG = Path(__file__).parents[1] / "configs/train/toy_vigos.yaml"
CLIPS = ("token", "vocab", "none")
SHARES = (0.95, 0.5)
ROWS = 1600
BATCH = 16
QUESTIONS = 64
EXAM_SEED = 1000
# What a line keeps: the marks, and of what the step logged what explains them.
KEPT = ("aligned", "conflict", "says", "description", "format", "loss", "kl_mean", "clipped")


@dataclass(frozen=True)
class Arm:
    """What distinguishes a run from the others of its seed."""

    method: str
    clip_mode: str
    reasoning_prefix: str
    aligned: float

    @property
    def name(self) -> str:
        """As in the table."""
        if self.method == "opsd":
            return f"OPSD, clip {self.clip_mode}"
        return f"ViGOS, prefix {self.reasoning_prefix}, clip {self.clip_mode}"


def arms(shares: Sequence[float] = SHARES) -> list[Arm]:
    """Every arm, the paper's settings first, so that a study cut short holds what matters most."""
    found = []
    for share in shares:
        for clip in CLIPS:
            for prefix in ("student", "none"):
                found.append(Arm("vigos", clip, prefix, share))
            found.append(Arm("opsd", clip, "student", share))
    return found


def run_study(args: argparse.Namespace) -> None:
    """Run what the file does not hold yet: one clip for all seeds, then the next."""
    part, parts = args.part
    drop_torn_line(args.file)
    if {line["steps"] for line in lines_of(args.file)} - {args.steps}:
        sys.exit(f"{args.file} holds runs of other --steps than {args.steps}: give another file")
    wanted = [
        (arm, seed)
        for share in args.shares
        for clip in CLIPS
        for seed in range(args.seeds)
        for arm in arms([share])
        if arm.clip_mode == clip
    ]
    for number, (arm, seed) in enumerate(wanted):
        # All runs of a seed by one process: no two wait for one base.
        if seed % parts != part or (arm, seed) in finished(args.file):
            continue
        base = args.bases / f"base-{seed}"
        if not (base / "config.json").is_file():
            from vigos_train.toy.pretrain import pretrain

            print(f"base of seed {seed}: {pretrain(base, seed=seed):.0f} s", file=sys.stderr)
        line = one_run(arm, seed, base, args.steps, args.every)
        with args.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        last = line["curve"][-1]
        print(
            f"{number + 1}/{len(wanted)} {arm.name}, {arm.aligned:.0%}, seed {seed}: "
            f"aligned {last['aligned']:.2f}, conflict {last['conflict']:.2f}, {line['seconds']:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def one_run(arm: Arm, seed: int, base: Path, steps: int, every: int) -> dict[str, Any]:
    """Train one arm on one seed; the line of the file."""
    from vigos_train.toy.trials import exam, training_rows, trial

    config = arm_config(arm, seed, base, steps)
    rows = training_rows(ROWS, arm.aligned, seed)
    questions = exam(QUESTIONS, EXAM_SEED)
    start = time.perf_counter()
    known = base / f"marks-{QUESTIONS}.json"
    first = json.loads(known.read_text()) if known.is_file() else None
    curve = [
        {"step": step, **{k: round(v, 5) for k, v in marks.items() if k.startswith(KEPT)}}
        for step, marks in trial(config, rows, questions, every=every, start=first)
    ]
    if first is None:
        # Renamed into place: a torn file would stop every later run of the seed.
        partial = known.with_suffix(".partial")
        partial.write_text(json.dumps({k: v for k, v in curve[0].items() if k != "step"}))
        partial.replace(known)
    seconds = round(time.perf_counter() - start, 1)
    return {**asdict(arm), "seed": seed, "steps": steps, "seconds": seconds, "curve": curve}


def arm_config(arm: Arm, seed: int, base: Path, steps: int) -> TrainConfig:
    """The demo's config with the arm's settings."""
    return replaced(
        load_config(CONFIG),
        method=arm.method,
        model__pretrained=str(base),
        loss__clip_mode=arm.clip_mode,
        loss__reasoning_prefix=arm.reasoning_prefix,
        optim__seed=seed,
        optim__max_steps=steps,
        optim__batch_size=BATCH,
        optim__per_device=BATCH,
    )


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The finished runs; a torn last line is left out."""
    if not file.is_file():
        return []
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        if line.endswith("\n"):
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError as error:
                sys.exit(f"{file}, line {number} is no run ({error}); delete it to run it anew")
    return found


def drop_torn_line(file: Path) -> None:
    """Cut what a killed run left of its line, so that the next line starts on its own."""
    if file.is_file() and not (stored := file.read_bytes()).endswith(b"\n"):
        with file.open("r+b") as opened:
            opened.truncate(stored.rfind(b"\n") + 1)


def finished(file: Path) -> set[tuple[Arm, int]]:
    """Which runs the file holds."""
    return {(arm_of(line), line["seed"]) for line in lines_of(file)}


def arm_of(line: dict[str, Any]) -> Arm:
    """The arm of a finished run."""
    return Arm(**{name: line[name] for name in Arm.__dataclass_fields__})


COLUMNS = {
    "aligned": "aligned",
    "conflict": "conflict",
    "conflict_color": "of colour",
    "conflict_number": "of number",
    "says_prior": "says prior",
    "description_conflict": "description, conflict",
    "format": "format",
}


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Markdown: mean and standard deviation over seeds of what the last step answered."""
    rows = [f"| usual pictures | arm | seeds | {' | '.join(COLUMNS.values())} |"]
    rows.append("|---" * (len(COLUMNS) + 3) + "|")
    for share in SHARES:
        here = [line for line in lines if line["aligned"] == share]
        if not here:
            continue
        first = {line["seed"]: line["curve"][0] for line in here}
        rows.append(_row(share, "base", list(first.values())))
        for arm in arms([share]):
            last = [line["curve"][-1] for line in here if arm_of(line) == arm]
            if last:
                rows.append(_row(share, arm.name, last))
    return "\n".join(rows)


def _row(share: float, name: str, marks: Sequence[dict[str, float]]) -> str:
    cells = []
    for key in COLUMNS:
        values = [100 * each[key] for each in marks]
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        cells.append(f"{statistics.mean(values):.0f} ±{spread:.0f}")
    return f"| {share:.0%} | {name} | {len(marks)} | {' | '.join(cells)} |"


def save_figure(lines: Sequence[dict[str, Any]], path: Path) -> None:
    """A column per share of usual pictures; below the trade-off, conflict accuracy over the steps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shares = [share for share in SHARES if any(line["aligned"] == share for line in lines)]
    figure, panels = pyplot.subplots(
        2, len(shares), figsize=(4.8 * len(shares) + 2.4, 7.2), squeeze=False, layout="constrained"
    )
    for column, share in enumerate(shares):
        trade_off, over_steps = panels[:, column]
        for arm in arms([share]):
            if curves := [line["curve"] for line in lines if arm_of(line) == arm]:
                draw_arm(trade_off, over_steps, arm, curves)
        first = {line["seed"]: line["curve"][0] for line in lines if line["aligned"] == share}
        start = [statistics.mean(marks[key] for marks in first.values()) * 100 for key in AXES]
        trade_off.plot(*start, "s", color="black", ms=6, zorder=5)
        trade_off.set(title=f"{share:.0%} of the training pictures as usual", ylabel="aligned, %")
        trade_off.set(xlabel="conflict, %", xlim=(-3, 103))
        over_steps.set(xlabel="optimizer steps", ylabel="conflict, %", ylim=(0, 103))
        trade_off.grid(alpha=0.25)
        over_steps.grid(alpha=0.25)
    panels[1][0].plot([], [], "s", color="black", label="base")
    figure.legend(*panels[1][0].get_legend_handles_labels(), loc="outside right", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


AXES = ("conflict", "aligned")
STYLES = {"token": ("-", "o"), "vocab": ("--", "v"), "none": (":", "D")}
COLORS = {("vigos", "student"): "#1f77b4", ("vigos", "none"): "#d95f02"}


def draw_arm(
    trade_off: Any, over_steps: Any, arm: Arm, curves: Sequence[Sequence[dict[str, float]]]
) -> None:
    """One arm's mean over seeds; a large mark at its end, a pale one at the end of every seed."""
    line, mark = STYLES[arm.clip_mode]
    color = COLORS.get((arm.method, arm.reasoning_prefix), "#888888")
    steps = [here["step"] for here in curves[0]]
    conflict, aligned = (
        [[100 * curve[i][key] for curve in curves] for i in range(len(steps))] for key in AXES
    )
    x, y = ([statistics.mean(seeds) for seeds in each] for each in (conflict, aligned))
    trade_off.scatter(conflict[-1], aligned[-1], s=14, marker=mark, color=color, alpha=0.35, lw=0)
    trade_off.plot(x, y, line, color=color, lw=1.6)
    trade_off.plot(x[-1], y[-1], mark, color=color, ms=7)
    low, high = ([edge(seeds) for seeds in conflict] for edge in (min, max))
    over_steps.fill_between(steps, low, high, color=color, alpha=0.08, lw=0)
    over_steps.plot(steps, x, line + mark, color=color, lw=1.6, ms=5, label=arm.name)


def main(words: Sequence[str] | None = None) -> None:
    """Run or show."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("file", type=Path)
    run.add_argument("--bases", type=Path, default=Path("build/toy_study"))
    run.add_argument("--seeds", type=int, default=5)
    run.add_argument("--steps", type=int, default=100)
    run.add_argument("--every", type=int, default=20)
    run.add_argument("--shares", type=float, nargs="+", default=list(SHARES), choices=SHARES)
    run.add_argument("--part", type=one_part, default="0/1", metavar="I/N")
    show = commands.add_parser("show")
    show.add_argument("file", type=Path)
    show.add_argument("--figure", type=Path)
    args = parser.parse_args(words)
    if args.command == "run":
        if min(args.seeds, args.steps, args.every) < 1:
            parser.error("--seeds, --steps and --every are at least 1")
        args.file.parent.mkdir(parents=True, exist_ok=True)
        run_study(args)
        return
    if not (lines := lines_of(args.file)):
        sys.exit(f"{args.file} holds no finished run")
    print(table(lines))
    if args.figure:
        save_figure(lines, args.figure)


def one_part(word: str) -> tuple[int, int]:
    """Which process of how many: "0/2" and "1/2"."""
    part, parts = map(int, word.split("/"))
    if not 0 <= part < parts:
        raise argparse.ArgumentTypeError(f"{word}: of N processes the first is 0/N, the last N-1/N")
    return part, parts


if __name__ == "__main__":
    main()
