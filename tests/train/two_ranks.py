"""What one rank of a torchrun does: three steps of written rollouts, rank 0 writes the adapter.

usage: two_ranks.py FOLDER BASE TARGET plain|deepspeed|fsdp
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from runs import small_config, student_of, trainer_of

from vigos_train.parallel import open_parallel
from vigos_train.run_loop import save_checkpoint_of
from vigos_train.tensors import adapter_tensors, load_tensors


def main(folder: Path, base: Path, target: Path, kind: str) -> None:
    torch.set_num_threads(1)
    if kind == "deepspeed":
        os.environ |= {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"}
    parallel = open_parallel()
    if kind == "fsdp":  # accelerate does not offer FSDP without a GPU
        parallel = replace(parallel, kind="fsdp")
    assert parallel.kind == kind and parallel.ranks == 2
    config = small_config(folder, base, optim__per_device=2)
    trainer = trainer_of(config, parallel=parallel)
    numbers = [trainer.step().numbers]
    saved = save_checkpoint_of(trainer, folder / "run", {})
    numbers += [trainer.step().numbers for _ in range(2)]
    state = adapter_tensors(trainer.student.model)
    # Every rank must have made the same step.
    sums = parallel.gathered(sum(float(value.sum()) for value in state.values()))
    assert len(set(sums)) == 1, sums
    assert trainer.sampler.calls == [2, 2, 2]
    if parallel.is_main:
        torch.save({"adapter": state, "numbers": numbers}, target)
    if kind == "fsdp":
        shards = {type(p).__name__ for p in trainer.parameters}
        assert shards == {"DTensor"}, shards
    resumed = trainer_of(config, student=student_of(config, saved), parallel=parallel)
    load_tensors(resumed, saved, is_same_ranks=True)
    resumed.done = 1
    for _ in range(2):
        resumed.step()
    again = adapter_tensors(resumed.student.model)
    assert all(torch.equal(again[name], state[name]) for name in state), "resume is not exact"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), sys.argv[4])  # type: ignore[misc, arg-type]
