"""What one rank of a torchrun does: three steps of written rollouts, rank 0 writes the adapter."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from runs import adapter_of, small_config, trainer_of


def main(folder: Path, base: Path, target: Path) -> None:
    torch.set_num_threads(1)
    config = small_config(folder, base, optim__per_device=2)
    trainer = trainer_of(config)
    numbers = [trainer.step().numbers for _ in range(3)]
    # Every rank must have made the same step.
    sums = trainer.parallel.gathered(
        sum(float(v.sum()) for v in adapter_of(trainer.student.model).values())
    )
    assert len(set(sums)) == 1, sums
    assert trainer.sampler.calls == [2, 2, 2]
    if trainer.parallel.is_main:
        torch.save({"adapter": adapter_of(trainer.student.model), "numbers": numbers}, target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
