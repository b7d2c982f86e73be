"""Records -> the JSON the page reads: one short row per question, and its details. No HTML here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vigos_eval.records import Attempt, CompletionRecord, ImageRef, Response, VerdictRecord
from vigos_eval.types import AnswerKind, Outcome, Sample
from vigos_eval.viewer.segments import SegmentKind, segments

Json = dict[str, object]

SNIPPET_CHARACTERS = 180
# One letter per attempt keeps a row short: thousands of rows are read before anything is shown.
OUTCOME_LETTER = {Outcome.CORRECT: "c", Outcome.WRONG: "w", Outcome.UNGRADED: "u"}
NO_VERDICT = "p"
SEGMENT_LETTER: dict[SegmentKind, str] = {
    "description": "d",
    "think": "t",
    "answer": "a",
    "other": "o",
}


@dataclass(frozen=True)
class Asked:
    """A question of a run, with its verdicts when there are any."""

    record: CompletionRecord
    verdict: VerdictRecord | None

    @property
    def attempts(self) -> tuple[Attempt | None, ...]:
        """One entry per response; None where a verdict is missing."""
        graded = self.verdict.attempts if self.verdict else ()
        count = len(self.record.responses)
        return (*graded[:count], *(None for _ in range(count - len(graded))))


def index_row(asked: Asked, base: Asked | None, image_numbers: Mapping[ImageRef, int]) -> Json:
    """What the list shows of a question and what filters look at."""
    record = asked.record
    sample = record.sample
    row: Json = {
        "key": record.key,
        "id": sample.id,
        "task": record.label,
        "question": snippet(sample.question),
        "gold": snippet(sample.gold),
        "groups": dict(sample.subgroups),
        "images": [image_numbers[ref] for ref in record.images],
        "outcomes": _letters(asked),
        "unparsed": sum(a.is_unparsed for a in asked.attempts if a),
        "truncated": sum(r.finish_reason == "length" for r in record.responses),
        "malformed": sum(not a.is_format_valid for a in asked.attempts if a),
        "tokens": sum(r.tokens for r in record.responses),
    }
    if record.skipped is not None:
        row["skipped"] = True
    if base is not None:
        row["base"] = _letters(base)
    return row


def details(asked: Asked, base: Asked | None) -> Json:
    """Everything else about a question: its text in full, and the responses."""
    sample = asked.record.sample
    return {
        "question": sample.question,
        "gold": sample.gold,
        "kind": str(sample.kind),
        "options": list(sample.options),
        "goldOption": gold_option(sample),
        "grading": dict(sample.grading),
        "cluster": sample.cluster,
        "promptTokens": asked.record.prompt_tokens,
        "skipped": asked.record.skipped,
        "attempts": _attempts(asked),
        "base": None if base is None else _attempts(base),
    }


def snippet(text: str) -> str:
    """The text on one line, cut to the length of a row.

    >>> snippet("What  is\\nthis?")
    'What is this?'
    """
    line = " ".join(text[: 4 * SNIPPET_CHARACTERS].split())
    return line if len(line) <= SNIPPET_CHARACTERS else line[: SNIPPET_CHARACTERS - 1] + "…"


def gold_option(sample: Sample) -> int | None:
    """Which option the gold names, for marking it; None when that is not plain to see.

    >>> from dataclasses import replace
    >>> sample = Sample("mmmu", "paper", "1", "?", "(B)", AnswerKind.CHOICE, "c", ("cat", "dog"))
    >>> gold_option(sample), gold_option(replace(sample, gold="cat"))
    (1, 0)
    """
    if sample.gold in sample.options:
        return sample.options.index(sample.gold)
    letter = re.fullmatch(r"\(?([A-Z])\)?(?:[.\s].*)?", sample.gold.strip(), re.DOTALL)
    if sample.kind is not AnswerKind.CHOICE or letter is None:
        return None
    place = ord(letter.group(1)) - ord("A")
    return place if place < len(sample.options) else None


def _letters(asked: Asked) -> str:
    return "".join(OUTCOME_LETTER[a.outcome] if a else NO_VERDICT for a in asked.attempts)


def _attempts(asked: Asked) -> list[Json]:
    pairs = zip(asked.record.responses, asked.attempts, strict=True)
    return [_attempt(response, attempt) for response, attempt in pairs]


def _attempt(response: Response, attempt: Attempt | None) -> Json:
    answer = attempt.answer if attempt else None
    shown: Json = {
        "parts": [[SEGMENT_LETTER[s.kind], s.text] for s in segments(response.text, answer)],
        "tokens": response.tokens,
        "seed": response.seed,
        "truncated": response.finish_reason == "length",
        "outcome": OUTCOME_LETTER[attempt.outcome] if attempt else NO_VERDICT,
        "answer": answer,
    }
    if attempt is not None:
        shown |= {
            "reason": attempt.reason,
            "by": attempt.decided_by,
            "malformed": not attempt.is_format_valid,
            "unparsed": attempt.is_unparsed,
            "official": OUTCOME_LETTER[attempt.official] if attempt.official else None,
        }
    return shown
