"""One optimizer step's scoring and backward: the release's form (a) against ours (b), same rollouts.

    python bench/train_step.py                                  # CPU, float32; about a quarter of an hour
    python bench/train_step.py --shapes tiny                    # tries the bench itself, a minute
    python bench/train_step.py --gpu                            # 3B shapes, bf16, one card

Every case runs in a process of its own: its peak is that process's, above what lay there when
the inputs were ready. On a CPU the time is the process's own (one thread by default, so that
other programs on the machine do not count), the better of two runs of the loss stage; on a GPU
wall clock, the second of two runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from release_form import MICRO_BATCH, scored_micro_batches, token_kl
from train_shapes import CPU, GPU_3B, TINY, VOCABULARY, Rollout, Shapes, adapted_network, rollouts

from vigos_train.contexts import Speaker
from vigos_train.losses import Divergence, fused_kl
from vigos_train.method_config import LossConfig
from vigos_train.routing import route
from vigos_train.scoring import ScoringRow, objective, score

CLIP = 0.05
SHAPES = {"cpu": CPU, "tiny": TINY, "gpu": GPU_3B}
PARITY = {"reasoning_prefix": "none", "normalisation": "micro_batch", "clip": CLIP}
LOSS_CASES = ("release", "fused-64", "fused-256")
GPU_LOSS_CASES = ("release", "fused-256", "fused-1024", "compiled-1024", "trl")


def resident() -> int:
    """Resident memory now, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measured(run: Callable[[], Any], device: str) -> tuple[Any, float, float]:
    """Result, seconds, and peak MiB above what was held before."""
    if device == "cuda":
        run()
        torch.cuda.synchronize()
        held = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        result = run()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        return result, seconds, (torch.cuda.max_memory_allocated() - held) / 2**20
    held = peak = resident()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.process_time()
    result = run()
    seconds = time.process_time() - start
    done.set()
    watcher.join()
    return result, seconds, (max(peak, resident()) - held) / 2**20


def loss_stage(case: str, tokens: int, hidden: int, device: str) -> dict[str, Any]:
    """Forward and backward of the loss alone, N tokens against one teacher."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    generator = torch.Generator(device=device).manual_seed(0)
    made = {"generator": generator, "device": device}
    student = torch.randn(tokens, hidden, **made)
    teacher = (student + 0.05 * torch.randn(tokens, hidden, **made)).to(dtype)
    student = student.to(dtype).requires_grad_()
    weight = (torch.randn(VOCABULARY, hidden, **made) * hidden**-0.5).to(dtype)

    def run() -> Any:
        student.grad = None
        loss = _loss_of(case, student, teacher, weight)
        loss.sum().backward()
        return loss.detach().mean().item(), student.grad.float().norm().item()

    (loss, norm), seconds, peak = measured(run, device)
    return {"case": case, "loss": loss, "gradient": norm, "seconds": seconds, "peak_mib": peak}


def _loss_of(case: str, student: Any, teacher: Any, weight: Any) -> Any:
    if case == "release":
        with torch.no_grad():
            shown = teacher @ weight.T
        return token_kl(student @ weight.T, shown, is_reverse=False, clip=CLIP)
    if case == "trl":
        kl, _ = _trl().apply(student, weight, None, teacher, weight, None, 0.0)
        return kl.clamp(max=CLIP)
    kind, chunk = case.split("-")
    if kind == "compiled":
        import vigos_train.losses as losses

        if not hasattr(losses, "_plain"):
            losses._plain, losses._row_kl = losses._row_kl, torch.compile(losses._row_kl)
    return fused_kl(student, teacher, weight, Divergence(clip=CLIP), chunk=int(chunk)).loss


def _trl() -> Any:
    """TRL's Triton divergence, from its kernels alone (build/trl_kernels) where TRL is not installed."""
    import types
    from contextlib import nullcontext

    folder = Path(__file__).parents[1] / "build" / "trl_kernels"
    if folder.is_dir():
        stub = types.ModuleType("trl.trainer.utils")
        stub.maybe_gather_lm_head_ctx = lambda *_: nullcontext()  # type: ignore[attr-defined]
        for name, path in (("trl", []), ("trl.kernels", [str(folder)]), ("trl.trainer", [])):
            package = types.ModuleType(name)
            package.__path__ = path
            sys.modules.setdefault(name, package)
        sys.modules.setdefault("trl.trainer.utils", stub)
    from trl.kernels.chunked_divergence import ChunkedDivergenceFunction

    return ChunkedDivergenceFunction


def whole_step(case: str, shapes: Shapes, device: str) -> dict[str, Any]:
    """Scoring and backward of a step: (a), ours at the release's settings, ours at the paper's."""
    model = adapted_network(shapes, device)
    rows = rollouts(shapes)
    trained = [p for p in model.parameters() if p.requires_grad]
    tokens = sum(len(row.sampled) for row in rows)

    def run() -> Any:
        for parameter in trained:
            parameter.grad = None
        total = _release(model, rows) if case == "release" else _ours(model, rows, case)
        square = sum(float(p.grad.float().square().sum()) for p in trained)
        return total, square**0.5

    (loss, norm), seconds, peak = measured(run, device)
    return {"case": case, "loss": loss, "gradient": norm, "seconds": seconds, "peak_mib": peak,
            "tokens_per_s": tokens / seconds}  # fmt: skip


def _release(model: Any, rows: Sequence[Rollout]) -> float:
    """Mean over micro-batches of the weighted means, as the release takes it."""
    total, count = 0.0, -(-len(rows) // MICRO_BATCH)
    for found in scored_micro_batches(model, rows, CLIP):
        loss = objective(
            {s: total for s, (total, _) in found.items()},
            {s: tokens for s, (_, tokens) in found.items()},
            LossConfig(**PARITY),
        )
        (loss / count).backward()
        total += loss.item() / count
    return total


def _ours(model: Any, rows: Sequence[Rollout], case: str) -> float:
    config = LossConfig(**PARITY) if case == "parity" else LossConfig(clip=CLIP)
    routed = [_routed(row, config.reasoning_prefix) for row in rows]
    if case == "parity":
        groups = [routed[i : i + MICRO_BATCH] for i in range(0, len(rows), MICRO_BATCH)]
    else:
        groups = [routed]
    longest = max(len(row.route.prompt) + len(row.route.sampled) for row in routed)
    total = 0.0
    for group in groups:
        counts = _counts(group)
        for part in score(model, group, config, token_budget=MICRO_BATCH * longest):
            loss = objective(part.sums, counts, config) / len(groups)
            loss.backward()
            total += loss.item()
    return total


def _counts(rows: Sequence[ScoringRow]) -> Any:
    from vigos_train.routing import scored_tokens

    return scored_tokens(row.route for row in rows)


def _routed(row: Rollout, prefix: str) -> ScoringRow:
    contexts = dict(row.contexts)
    if prefix == "none":
        contexts[Speaker.REASONING] = row.release_reasoning
    return ScoringRow(route(contexts, row.sampled, row.spans, reasoning_prefix=prefix), row.images)


def in_own_process(arguments: Sequence[str]) -> dict[str, Any]:
    """One case in a fresh process; its last line is the JSON result."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"case": arguments[1], "failed": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def better_of_two(arguments: Sequence[str]) -> dict[str, Any]:
    """The faster of two runs, each in a fresh process."""
    twice = [in_own_process(arguments) for _ in range(2)]
    return min(twice, key=lambda each: each.get("seconds", float("inf")))


def table(title: str, results: Sequence[dict[str, Any]]) -> None:
    """Print results with their ratios to the first."""
    print(f"\n{title}\n\n| | loss | gradient norm | s | of (a) | peak MiB | (a) / it | tokens/s |")
    print("|---|---|---|---|---|---|---|---|")
    first = results[0]
    for each in results:
        if "failed" in each:
            print(f"| {each['case']} | failed: {each['failed']} |", flush=True)
            continue
        time_share = each["seconds"] / first.get("seconds", float("nan"))
        memory = first.get("peak_mib", float("nan")) / each["peak_mib"]
        print(
            f"| {each['case']} | {each['loss']:.7f} | {each['gradient']:.6g} | "
            f"{each['seconds']:.2f} | {time_share:.2f} | {each['peak_mib']:.0f} | {memory:.1f} | "
            f"{each.get('tokens_per_s', 0):.0f} |",
            flush=True,
        )


def main() -> None:
    """Run all cases, or the one that a parent process asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--case", help="one case in this process: loss:NAME:TOKENS or step:NAME")
    parser.add_argument("--shapes", choices=SHAPES, default="cpu")
    parser.add_argument("--gpu", action="store_true", help="3B shapes on the card")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    shapes = SHAPES["gpu" if args.gpu and args.shapes == "cpu" else args.shapes]
    device = "cuda" if args.gpu else "cpu"
    torch.set_num_threads(args.threads)
    if args.case:
        kind, name, *size = args.case.split(":")
        if kind == "loss":
            print(json.dumps(loss_stage(name, int(size[0]), shapes.hidden, device)))
        else:
            print(json.dumps(whole_step(name, shapes, device)))
        return
    rest = ["--shapes", args.shapes, "--threads", str(args.threads), *["--gpu"] * args.gpu]
    where = torch.cuda.get_device_name() if args.gpu else f"CPU, threads: {args.threads}"
    print(f"{where}, torch {torch.__version__}", flush=True)
    sizes = {"tiny": (256,), "cpu": (2048, 4096)}[args.shapes] if not args.gpu else (4096,)
    for size in sizes:
        cases = GPU_LOSS_CASES if args.gpu else LOSS_CASES
        if size == 4096 and not args.gpu:
            # (a) would need twice its 11 GB: only ours, to show that its buffers do not grow.
            cases = cases[1:]
        found = [better_of_two(["--case", f"loss:{name}:{size}", *rest]) for name in cases]
        table(f"Loss stage, N={size}, V={VOCABULARY}, H={shapes.hidden}", found)
    found = [in_own_process(["--case", f"step:{n}", *rest]) for n in ("release", "parity", "paper")]
    table("Scoring and backward of one step, 80 % valid rows", found)


if __name__ == "__main__":
    main()
