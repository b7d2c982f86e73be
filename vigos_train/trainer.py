r"""The method: one network teaches itself to see before it reasons, an optimizer step at a time.

    1. rows      32 rows (image, problem, answer) of the step
    2. rollout   the student writes description, reasoning and box under its own prompt
    3. spans     description D and reasoning R of each valid text; a malformed text has neither
    4. teachers  the same network, adapter off, under contexts that know more or less:
                 perception (image only) on D, reasoning (with the answer) on R,
                 reference (with the answer) on a malformed text; OPSD: reference on everything
    5. loss      L = w_P sum KL(P||S)/N_P + w_R sum KL(R||S)/N_R + w_F sum KL(S||F)/N_F,
                 clipped per token, N the counts of the WHOLE step over ranks and micro-batches
    6. update    gradients summed over ranks, clipped, AdamW on the LoRA adapter

A loop of our own on accelerate and not a transformers.Trainer, because three things here have no
public hook there: a micro-batch is scored in as many student passes as its lengths ask for, each
followed by its own backward; these numbers differ between ranks, which DistributedDataParallel
does not allow; and a checkpoint must become visible in one rename.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from vigos_eval.engines.sampling import stream_seed
from vigos_eval.protocol import Protocol
from vigos_eval.types import Decoding
from vigos_train.config import TrainConfig
from vigos_train.data import Rows
from vigos_train.errors import TrainingStopped
from vigos_train.optim import make_optimizer, make_schedule, rows_of_step
from vigos_train.parallel import Parallel
from vigos_train.rollout import Asked, Rollout, Routing, Skipped, ask_all, routed
from vigos_train.routing import Segment, scored_tokens
from vigos_train.samplers import Sampler
from vigos_train.scoring import ScoredPart, SegmentKl, objective, score
from vigos_train.sharding import lockstep_rows, shard_layers
from vigos_train.step_log import StepRecord, step_numbers
from vigos_train.student import Student
from vigos_train.updates import Update, open_update

Part = tuple[ScoredPart, list[int], dict[Segment, int]]
"""A student pass, the numbers of its rollouts, and the counts its sums are divided by."""


@dataclass(frozen=True)
class StepReport:
    """What one optimizer step did.

    Attributes:
        numbers: Over all ranks, by logged name.
        rollouts: This rank's.
        kls: KL of each of this rank's rollouts and segments; `row` counts into `rollouts`.
        skipped: This rank's rows that were not asked.
    """

    numbers: dict[str, float]
    rollouts: tuple[Rollout, ...]
    kls: tuple[SegmentKl, ...]
    skipped: tuple[Skipped, ...]


@dataclass
class Trainer:
    """One run's moving parts; `step` advances it by one optimizer step.

    Attributes:
        config: The run.
        student: The network.
        sampler: Who writes the rollouts.
        rows: What is trained on.
        parallel: The ranks.
        protocol: Whose student prompt is trained.
        total_steps: Optimizer steps of the whole run; the schedule's length.
        done: Optimizer steps done.
        skipped: Rows skipped so far, over all ranks.
        malformed_steps: Steps in a row in which no rollout was valid.
    """

    config: TrainConfig
    student: Student
    sampler: Sampler
    rows: Rows
    parallel: Parallel
    protocol: Protocol
    total_steps: int
    done: int = 0
    skipped: int = 0
    malformed_steps: int = 0
    parameters: list[Any] = field(init=False)
    schedule: Any = field(init=False)
    updates: Update = field(init=False)

    def __post_init__(self) -> None:
        self.config.optim.accumulation(self.parallel.ranks)  # refuse a batch that does not divide
        model = self.student.model
        if self.config.optim.gradient_checkpointing:
            # Reentrant checkpointing silently drops the gradients of adapters below frozen inputs.
            model.gradient_checkpointing_enable({"use_reentrant": False})
        self.parallel.share_from_main([p for p in model.parameters() if p.requires_grad])
        if self.parallel.kind == "fsdp":
            shard_layers(model, self.parallel.device)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = make_optimizer(self.parameters, self.config.optim)
        self.schedule = make_schedule(optimizer, self.config.optim, self.total_steps)
        limit = self.config.optim.max_grad_norm
        self.updates = open_update(self.parallel, model, self.parameters, optimizer, limit)

    def step(self) -> StepReport:
        """One optimizer step.

        Raises:
            TrainingStopped: The loss is no number, or no rollout was valid for too many steps.
        """
        record = StepRecord()
        with timed(record, "rows"):
            asked, skipped = self.asked_rows()
        with timed(record, "rollout"):
            rollouts = self.rollouts(asked)
        record.add_rollouts(rollouts, len(skipped))
        return self.update(rollouts, skipped, record)

    def update(
        self, rollouts: Sequence[Rollout], skipped: Sequence[Skipped], record: StepRecord
    ) -> StepReport:
        """Score the rollouts and move the adapter; collective: every rank calls it."""
        kls = self.compute_gradients(rollouts, record)
        with timed(record, "update"):
            rate = self.schedule.get_last_lr()[0]
            norm = self.updates.advance(
                self.config.optim.max_grad_norm,
                lambda norm: self._stop_unless_finite(norm, "the gradient norm"),
            )
            self.schedule.step()
        self.done += 1
        record.peak_gib = peak_gib(self.parallel.device)
        numbers = step_numbers(self.parallel.gathered(record), self._weights())
        numbers |= {"learning_rate": rate, "grad_norm": norm}
        numbers["epoch"] = self.done * self.config.optim.batch_size / len(self.rows)
        self.skipped += int(numbers["skipped_rows"])
        self._stop_if_nothing_is_learnt(numbers, rollouts, skipped)
        return StepReport(numbers, tuple(rollouts), kls, tuple(skipped))

    def asked_rows(self) -> tuple[list[Asked], list[Skipped]]:
        """This rank's share of the step's rows as student prompts, images processed once."""
        numbers = rows_of_step(
            self.done, len(self.rows), self.config.optim, self.config.data.shuffle
        )
        mine = numbers[self.parallel.rank :: self.parallel.ranks]
        return ask_all(
            self.rows,
            [(n, f"{self.done}:{n}") for n in mine],
            self.student,
            self.protocol,
            self.config.rollout.max_prompt_tokens,
        )

    def rollouts(self, asked: Sequence[Asked]) -> list[Rollout]:
        """The student's texts for these prompts: ONE engine call, then spans and routes."""
        completions = self.sampler.sample(asked, self.decoding(), self.done)
        how = Routing(self.config.method, self.config.loss.reasoning_prefix)
        pairs = zip(asked, completions, strict=True)
        return [routed(a, c, self.student, self.protocol, how) for a, c in pairs]

    def decoding(self) -> Decoding:
        """How this step's rollouts are sampled."""
        how = self.config.rollout
        return Decoding(
            n=1,
            temperature=how.temperature,
            top_p=how.top_p,
            top_k=how.top_k,
            max_new_tokens=how.max_new_tokens,
            seed=stream_seed(self.config.optim.seed, f"step {self.done}") % 2**31,
            suppress_token_ids=self.student.suppressed,
        )

    def compute_gradients(
        self, rollouts: Sequence[Rollout], record: StepRecord
    ) -> tuple[SegmentKl, ...]:
        """Back-propagate the step's loss, micro-batch by micro-batch; returns the KL of each row."""
        self.student.model.train()
        found: list[SegmentKl] = []
        parts = self.parts(rollouts)
        while (next_part := self._next(parts, record)) is not None:
            part, numbers, counts = next_part
            with timed(record, "backward"):
                self.updates.backward(self.compute_loss(part, counts))
            record.add_part(part)
            found += [
                SegmentKl(numbers[each.row], each.segment, each.kl.cpu(), each.clipped.cpu())
                for each in part.kls
                if len(each.kl)
            ]
        return tuple(found)

    def parts(self, rollouts: Sequence[Rollout]) -> Iterator[Part]:
        """What is back-propagated, one student pass at a time: teachers, then the student.

        In lockstep (`Update.is_lockstep`) ranks that have done all of theirs add empty parts.
        """
        own = self._own_parts(rollouts)
        if not self.updates.is_lockstep:
            yield from own
            return
        while True:
            part = next(own, None)
            if self.parallel.summed([part is not None])[0] == 0:
                return
            yield part or (next(score(self.student.model, [], self.config.loss)), [], {})

    def _own_parts(self, rollouts: Sequence[Rollout]) -> Iterator[Part]:
        loss, model, budget = self.config.loss, self.student.model, self.config.optim.token_budget
        is_sharded = self.parallel.kind == "fsdp"
        for numbers, counts in self.micro_batches(rollouts):
            rows = [rollouts[i].scoring_row for i in numbers]
            if is_sharded:
                teachers = 2 if self.config.method == "vigos" else 1
                idle = min(self.student.stops)
                rows = lockstep_rows(rows, self.config.optim.per_device, teachers, idle)
            for part in score(model, rows, loss, token_budget=1 if is_sharded else budget):
                yield part, numbers, counts

    def compute_loss(self, part: ScoredPart, counts: dict[Segment, int]) -> torch.Tensor:
        """This part's share of L; the parts of a step, over all ranks, sum to L.

        Raises:
            TrainingStopped: It is no number.
        """
        loss = objective(part.sums, counts, self.config.loss)
        self._stop_unless_finite(float(loss.detach()), "the loss")
        return loss

    def micro_batches(
        self, rollouts: Sequence[Rollout]
    ) -> list[tuple[list[int], dict[Segment, int]]]:
        """Numbers of the rollouts scored together, and the counts their sums are divided by.

        ``normalisation: step``: the counts of the whole step over all ranks, so that the split
        changes nothing, and rollouts of similar length share a micro-batch. ``micro_batch``: the
        release's mean of means, over micro-batches in the rows' order.
        """
        order = list(range(len(rollouts)))
        if self.config.loss.normalisation == "step":
            order.sort(key=lambda i: -len(rollouts[i].ids))
            counts = self._summed(scored_tokens(rollout.route for rollout in rollouts))
            return [(group, counts) for group in self._groups(order)]
        groups = self._groups(order)
        share = round(self.parallel.summed([len(groups)])[0])
        return [
            (
                group,
                {s: n * share for s, n in scored_tokens(rollouts[i].route for i in group).items()},
            )
            for group in groups
        ]

    def _groups(self, order: Sequence[int]) -> list[list[int]]:
        """The rollouts in micro-batches; sharded ranks all have equally many, some empty."""
        size = self.config.optim.per_device
        groups = [list(order[i : i + size]) for i in range(0, len(order), size)]
        if self.parallel.kind == "fsdp":
            most = self.config.optim.accumulation(self.parallel.ranks)
            groups += [[] for _ in range(most - len(groups))]
        return groups

    def _next(self, parts: Iterator[Part], record: StepRecord) -> Part | None:
        with timed(record, "scoring"):
            return next(parts, None)

    def _summed(self, counts: dict[Segment, int]) -> dict[Segment, int]:
        totals = self.parallel.summed([counts[segment] for segment in Segment])
        return dict(zip(Segment, map(round, totals), strict=True))

    def _weights(self) -> dict[Segment, float]:
        loss = self.config.loss
        return {
            Segment.PERCEPTION: loss.perception_weight,
            Segment.REASONING: loss.reasoning_weight,
            Segment.FALLBACK: loss.reference_weight,
            Segment.REFERENCE: 1.0,
        }

    def _stop_unless_finite(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            raise TrainingStopped(
                f"{what} of step {self.done + 1} is {value}; no weight was changed by this step. "
                "Go on from the last checkpoint with --resume and a lower optim.learning_rate, or "
                "try model.dtype: float32"
            )

    def _stop_if_nothing_is_learnt(
        self, numbers: dict[str, float], rollouts: Sequence[Rollout], skipped: Sequence[Skipped]
    ) -> None:
        is_learning = numbers.get("format_rate", 0.0) > 0
        self.malformed_steps = 0 if is_learning else self.malformed_steps + 1
        limit = self.config.max_malformed_steps
        if not limit or self.malformed_steps < limit:
            return
        if skipped and not rollouts:
            raise TrainingStopped(
                f"no row of this step could be asked, e.g. {skipped[0].row_id}: "
                f"{skipped[0].reason}; {limit} steps in a row gave no valid rollout. Look the rows "
                "over with vigos-train check-data"
            )
        shown = rollouts[0] if rollouts else None
        look = "" if shown is None else f": {shown.text[:160]!r} lacks {shown.spans.missing!r}"
        raise TrainingStopped(
            f"no rollout of the last {limit} steps was in the format{look}. Use a base that "
            "follows the prompt, raise rollout.max_new_tokens, or give it warm_start.steps"
        )


@contextmanager
def timed(record: StepRecord, name: str) -> Iterator[None]:
    """Count the seconds inside to one part of the step."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    yield
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    record.add_seconds(name, time.perf_counter() - start)


def peak_gib(device: str) -> float:
    """Largest memory allocated on the device since the last call, GiB; 0 on a CPU."""
    if not device.startswith("cuda"):
        return 0.0
    peak = torch.cuda.max_memory_allocated() / 2**30
    torch.cuda.reset_peak_memory_stats()
    return float(peak)
