"""Rows -> the student's own texts with their spans: one engine call per optimizer step.

Who samples (the network itself, vllm, a server) is samplers.py's subject, scoring scoring.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vigos_eval.engines.rendering import decoded_images
from vigos_eval.errors import ConfigError, DataError, EngineError
from vigos_eval.protocol import Protocol, load_protocol
from vigos_eval.types import Completion, Prompt
from vigos_train.contexts import DESCRIPTION_PREFILL, Question, Speaker, context
from vigos_train.data import Rows
from vigos_train.encoding import ImageInputs, as_prompt, context_ids, image_inputs
from vigos_train.routing import Method, Route, route, speakers_needed
from vigos_train.rows import Row
from vigos_train.scoring import ScoringRow
from vigos_train.spans import Spans, spans
from vigos_train.student import Student

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Asked:
    """A row as the student is asked it.

    Attributes:
        row: The row.
        prompt: What an engine takes.
        ids: Its token ids, image placeholders and prefill included.
        images: Its images, processed once for all contexts.
    """

    row: Row
    prompt: Prompt
    ids: tuple[int, ...]
    images: ImageInputs


@dataclass(frozen=True)
class Rollout:
    """One sampled text and where it is scored.

    Attributes:
        asked: What it answers.
        text: The sampled text, prefill not included.
        ids: The sampled ids, end token included.
        is_truncated: Cut off at the token limit.
        spans: Description and reasoning, or what is missing.
        route: Which teacher scores which token.
    """

    asked: Asked
    text: str
    ids: tuple[int, ...]
    is_truncated: bool
    spans: Spans
    route: Route

    @property
    def scoring_row(self) -> ScoringRow:
        """What `scoring.score` takes."""
        return ScoringRow(self.route, self.asked.images)


@dataclass(frozen=True)
class Routing:
    """How rollouts are routed: `routing.route`'s settings."""

    method: Method
    reasoning_prefix: str


@dataclass(frozen=True)
class Skipped:
    """A row that was not asked, and why."""

    row_id: str
    reason: str


def training_protocol(name: str) -> Protocol:
    """The protocol whose student prompt is trained.

    Raises:
        ConfigError: It does not exist, or does not open the turn with ``<description>``: the
            description's first token then lies in no span.

    >>> training_protocol("paper").prefill
    '<description>'
    """
    protocol = load_protocol(name)
    if protocol.prefill != DESCRIPTION_PREFILL or protocol.system is not None:
        raise ConfigError(
            f"protocol {name!r} has prefill {protocol.prefill!r} and system text "
            f"{protocol.system!r}; training needs prefill {DESCRIPTION_PREFILL!r} and no system "
            "text, as in 'paper' and 'release'"
        )
    return protocol


def ask_all(
    rows: Rows,
    wanted: Sequence[tuple[int, str]],
    student: Student,
    protocol: Protocol,
    limit: int,
) -> tuple[list[Asked], list[Skipped]]:
    """Rows by (number, prompt key) as student prompts, and those that cannot be asked.

    A prompt above `limit` tokens is skipped whole: cutting it could cut through image tokens.
    Images are read and resized in threads; a fast tokenizer must not be shared by threads.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=8) as pool:
        seen = list(pool.map(lambda w: _seen(rows, w[0], w[1], student, protocol), wanted))
    asked: list[Asked] = []
    skipped: list[Skipped] = []
    for each in seen:
        if isinstance(each, Skipped):
            skipped.append(each)
            continue
        row, prompt, images = each
        ids = context_ids(student.processor, prompt, images.grids, protocol.chat_template)
        if len(ids) > limit:
            reason = f"its prompt has {len(ids)} tokens, the limit is {limit}"
            skipped.append(Skipped(row.id, reason))
        else:
            asked.append(Asked(row, prompt, ids, images))
    return asked, skipped


def _seen(
    rows: Rows, number: int, key: str, student: Student, protocol: Protocol
) -> tuple[Row, Prompt, ImageInputs] | Skipped:
    """A row with its images processed, or why that cannot be."""
    name = f"row {number}"
    try:
        row = rows[number]
        name = row.id
        question = Question(row.problem, row.answer, len(row.images))
        asking = context(Speaker.STUDENT, question, prompt=protocol.prompt)
        prompt = as_prompt(asking, row.images, key)
        images = image_inputs(student.processor, decoded_images(prompt, student.limits))
    except (DataError, EngineError) as error:
        return Skipped(name, str(error))
    return row, prompt, images


def routed(
    asked: Asked, completion: Completion, student: Student, protocol: Protocol, how: Routing
) -> Rollout:
    """A sampled completion with its spans and teacher sequences.

    Raises:
        EngineError: The engine cannot say which tokens it sampled.
    """
    if not completion.token_ids:
        raise EngineError(
            "the rollout engine returned no token ids, and text alone does not say where a span "
            "ends; serve with vLLM 0.10.2 or newer (return_token_ids)"
        )
    found = spans(completion.token_ids, student.pieces)
    row = asked.row
    question = Question(row.problem, row.answer, len(row.images))
    contexts: dict[Speaker, Sequence[int]] = {}
    for speaker in speakers_needed(how.method, found):
        if speaker is Speaker.STUDENT:
            contexts[speaker] = asked.ids
            continue
        view = context(
            speaker,
            question,
            prompt=protocol.prompt,
            reasoning_prefix=how.reasoning_prefix,
            think_bytes=found.think_bytes,
        )
        contexts[speaker] = context_ids(
            student.processor,
            as_prompt(view, row.images, asked.prompt.key),
            asked.images.grids,
            protocol.chat_template,
        )
    way = route(
        contexts,
        completion.token_ids,
        found,
        method=how.method,
        reasoning_prefix=how.reasoning_prefix,
    )
    is_truncated = completion.finish_reason == "length"
    return Rollout(asked, completion.text, completion.token_ids, is_truncated, found, way)


def answered_ids(generated: Iterable[tuple[Asked, Sequence[int]]]) -> None:
    """Raise unless the engine saw the very prompt that training scores.

    Raises:
        EngineError: Another tokenizer, template or image limit on the engine's side.
    """
    for asked, seen in generated:
        if seen and tuple(seen) != asked.ids:
            raise EngineError(
                f"the rollout engine reads row {asked.row.id} as {len(seen)} tokens, training as "
                f"{len(asked.ids)}: start it with the same checkpoint, chat template and image "
                "limits (min_pixels, max_pixels)"
            )


def skipped_reasons(skipped: Sequence[Skipped]) -> Mapping[str, int]:
    """How many rows were skipped for each kind of reason; numbers in the reason are left out.

    >>> skipped_reasons([Skipped("a", "image 12 is bad"), Skipped("b", "image 7 is bad")])
    {'image N is bad': 2}
    """
    import re

    counts: dict[str, int] = {}
    for each in skipped:
        kind = re.sub(r"\b[0-9a-f]*\d[0-9a-f]*\b", "N", each.reason)
        counts[kind] = counts.get(kind, 0) + 1
    return counts
