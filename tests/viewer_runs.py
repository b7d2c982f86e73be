"""Small hand-made runs for the viewer's tests: every kind of outcome, and text that wants to be code."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from vigos_eval.records import (
    Attempt,
    CompletionRecord,
    ImageRef,
    Response,
    VerdictRecord,
    completion_line,
    verdict_line,
)
from vigos_eval.types import AnswerKind, Outcome, Sample

EVIL = "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=2'>"
GOOD = r"<description>two cats</description> <think>one and one</think> \boxed{2}"
BAD = r"<description>two cats</description> <think>one and two</think> \boxed{3}"
CUT = "<description>two cats</description> <think>one and one and"


def attempt(code: str) -> tuple[Response, Attempt]:
    """A response and its verdict: c correct, w wrong, u ungraded, x cut off, e evil."""
    texts = {"c": GOOD, "w": BAD, "u": BAD, "x": CUT, "e": f"{GOOD} {EVIL}"}
    outcome = {"c": Outcome.CORRECT, "u": Outcome.UNGRADED}.get(code, Outcome.WRONG)
    answer = {"c": "2", "w": "3", "u": "3", "x": None, "e": EVIL}[code]
    cut = code == "x"
    reason = EVIL if code == "e" else f"{answer!r} against gold '2'"
    response = Response(texts[code], 4096 if cut else 40, "length" if cut else "stop", 42)
    return response, Attempt(answer, outcome, reason, "rules", not cut, cut, cut)


def png(color: str = "teal", size: tuple[int, int] = (640, 400)) -> bytes:
    """A picture of one colour."""
    stored = io.BytesIO()
    Image.new("RGB", size, color).save(stored, "PNG")
    return stored.getvalue()


def keep_image(run: Path, content: bytes, suffix: str = ".png") -> ImageRef:
    """Store an image in the run as a run does."""
    (run / "images").mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(content).hexdigest()
    (run / "images" / f"{digest}{suffix}").write_bytes(content)
    return ImageRef(digest, suffix)


def question(
    name: str, codes: str, images: Sequence[ImageRef] = (), task: str = "mmmu"
) -> tuple[CompletionRecord, VerdictRecord]:
    """A question with one attempt per letter of `codes` (see `attempt`); "" was skipped."""
    sample = Sample(
        task=task,
        source="paper",
        id=name,
        question=f"How many cats are in {name}?",
        gold="2",
        kind=AnswerKind.NUMBER,
        cluster=name,
        options=("1", "2") if task == "mmmu" else (),
        subgroups={"subject": "Art" if name < "m" else "Math"},
    )
    pairs = [attempt(code) for code in codes]
    key = f"{task}:{name}"
    skipped = None if codes else "image cannot be read"
    record = CompletionRecord(
        key, "0", sample, tuple(images), 9, tuple(r for r, _ in pairs), skipped
    )
    return record, VerdictRecord(key, "rules", tuple(a for _, a in pairs))


def write_questions(
    run: Path, questions: Sequence[tuple[CompletionRecord, VerdictRecord]], **settings: object
) -> Path:
    """Write a run folder of these questions; returns it."""
    run.mkdir(parents=True, exist_ok=True)
    lines = [completion_line(record) for record, _ in questions]
    (run / "completions.jsonl").write_text("".join(lines), encoding="utf-8")
    lines = [verdict_line(verdict) for _, verdict in questions]
    (run / "verdicts.jsonl").write_text("".join(lines), encoding="utf-8")
    stored = {"name": run.name, "protocol": {"name": "paper"}, "engine": "hf", "control": None}
    (run / "run.json").write_text(json.dumps({**stored, **settings}), encoding="utf-8")
    return run
