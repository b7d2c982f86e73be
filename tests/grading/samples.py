"""Samples for grading tests, by kind."""

from __future__ import annotations

from vigos_eval.records import CompletionRecord, Response
from vigos_eval.types import AnswerKind, Sample


def sample(
    kind: AnswerKind,
    gold: str,
    *,
    options: tuple[str, ...] = (),
    question: str = "What is shown?",
    **grading: str,
) -> Sample:
    """A question with this gold."""
    return Sample(
        task="test",
        source="paper",
        id="1",
        question=question,
        gold=gold,
        kind=kind,
        cluster="1",
        options=options,
        grading=grading,
    )


def record(key: str, item: Sample, *texts: str) -> CompletionRecord:
    """The item's responses as a line of completions.jsonl."""
    return CompletionRecord(
        key=key,
        prompt_hash="p",
        sample=item,
        images=(),
        prompt_tokens=3,
        responses=tuple(Response(text, 5, "stop", 42 + i) for i, text in enumerate(texts)),
    )
