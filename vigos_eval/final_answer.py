r"""The answer that a free text ends in, for models that write no boxes. Grades nothing.

In this order: what the closing words state ("Answer: D", "the answer is 7"), unless a box comes
after them; the last box, or the last boxes joined by "and"; the last formula of the last
sentence; the last line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_CHARS = 20_000
"""Characters from the end that are read at all."""

MAX_LINE = 300
MAX_TAIL = 4000
"""Characters from the end in which closing words are looked for."""

BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
# A chat template's marks, and what follows them, are not the model's answer.
TEMPLATE_MARK = re.compile(r"<\|[a-z_]+\|>.*|</s>.*", re.DOTALL)
HOPE = re.compile(
    r"[\s.]*\bI hope (?:it is|this is|that is) correct\b.*", re.DOTALL | re.IGNORECASE
)
STATED = re.compile(
    r"\b(?:final\s+|correct\s+|best\s+)*(?:answer|solution|choice|option)\s*(?:\([^()\n]{0,20}\)\s*)?\**\s*"
    r"(?:(?:is|are|would\s+be|should\s+be|must\s+be|=|:)[\s:*]*)+(?:option\s+|choice\s+)?(?:\*\*)?"
    r"|(?:^|\n)\**\s*(?:final\s+)?answer\s*\**\s+(?=[$\\])",
    re.IGNORECASE,
)
FORMULA = re.compile(
    r"(?<!\\)\$\$(.+?)(?<!\\)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<![\\$])\$(?!\$)((?:\\\$|[^$])+?)(?<!\\)\$(?!\$)",
    re.DOTALL,
)
SENTENCE_END = re.compile(
    r"(?:(?<=\$\$)|(?<=\\\]))\s+(?=[A-Z][a-z])|(?<=[.!?])\s+(?=[A-Z\\$(])|\n\s*\n|\n(?=\s*(?:[-*#]|\d+[.)])\s)"
)
JOINT = re.compile(
    r"[\s$.,;:]*(?:\\[\])(\[]|\\(?:quad|qquad|,|;|\s)|\\text(?=\{)|[{}$\s,;]|and\b|or\b|for part \(?\w\)?|[A-Za-z](?:_\{?\w+\}?)?\s*=)*[\s$]*"
)


def final_answer(text: str) -> str | None:
    r"""The answer that the text ends in, or None when it is empty.

    >>> final_answer("Two and two. Therefore, the answer is (B). I hope it is correct.")
    '(B)'
    >>> final_answer(r"so \boxed{3} and \boxed{5}"), final_answer("The root is $x = 7$.")
    ('3, 5', 'x = 7')
    >>> final_answer("42"), final_answer(" ")
    ('42', None)
    """
    text = HOPE.sub("", TEMPLATE_MARK.sub("", text[-MAX_CHARS:])).strip()
    boxes = list(_boxes(text))
    after_box = boxes[-1][1] if boxes else 0
    stated = _stated(text[max(after_box, len(text) - MAX_TAIL) :])
    if stated:
        return stated
    if boxes:
        return _joined(text, boxes) or None
    if BOX.search(text):
        return None  # an unclosed box: the response was cut off while it answered
    return _closing(text)


def _boxes(text: str) -> Iterator[tuple[int, int, str]]:
    """Closed boxes as (start, end, content), outermost ones only; nothing after an unclosed one."""
    position = 0
    while (match := BOX.search(text, position)) is not None:
        depth, at = 1, match.end()
        while at < len(text) and depth:
            depth += (text[at] == "{") - (text[at] == "}")
            at += 2 if text[at] == "\\" else 1
        if depth:
            return
        yield match.start(), at, text[match.end() : at - 1].strip()
        position = at


def _joined(text: str, boxes: list[tuple[int, int, str]]) -> str:
    """The last box with those before it that only "and", a comma or a name separates from it."""
    kept = [boxes[-1]]
    for box in reversed(boxes[:-1]):
        gap = text[box[1] : kept[0][0]]
        if len(gap) > 60 or not JOINT.fullmatch(gap):
            break
        kept.insert(0, box)
    return ", ".join(content for _, _, content in kept)


def _stated(text: str) -> str:
    """What stands after the last closing words, to the end of its sentence or line."""
    found = list(STATED.finditer(text))
    for match in reversed(found):
        rest = text[match.end() :].lstrip(" \n*:")
        line = rest.split("\n", 1)[0] if not rest.startswith(("\\[", "$$", "\\(")) else rest
        formula = FORMULA.match(line)
        if formula:
            return _after_formula(line, formula)
        line = line.split("\n", 1)[0]
        stop = SENTENCE_END.search(line)
        # "B. A cat": the stop after an option's letter ends no sentence.
        if stop and stop.start() > 3:
            line = line[: stop.start()]
        line = line.strip().rstrip(".").replace("**", "").strip()
        if line:
            return line
    return ""


def _after_formula(line: str, formula: re.Match[str]) -> str:
    """The formula with what qualifies it: a percent sign, or further formulas joined by "and"."""
    content = next(group for group in formula.groups() if group is not None).strip()
    rest = line[formula.end() :]
    if percent := re.match(r"\s*(\\?%|percent|pct)", rest):
        return f"{content} {percent[1]}"
    if (joint := re.match(r"\s*(?:,\s*)?(?:and|or)\s+", rest)) and (
        further := FORMULA.match(rest, joint.end())
    ):
        return f"{content}, {next(g for g in further.groups() if g is not None).strip()}"
    return content


def _closing(text: str) -> str | None:
    """The last formula of the last sentence, the sentence itself when it has none."""
    if not text:
        return None
    lines = [line.strip() for line in text[-MAX_TAIL:].splitlines() if line.strip()]
    last = [part for part in SENTENCE_END.split(text[-MAX_TAIL:]) if part and part.strip()]
    if not lines or not last:
        return None
    formulas = list(FORMULA.finditer(last[-1]))
    if formulas:
        return _last_formula(last[-1], formulas)
    # A paragraph on one line ends in the sentence that answers; a short line is the answer.
    line = last[-1].strip() if len(lines[-1]) > MAX_LINE else lines[-1]
    return line.replace("**", "").strip()


def _last_formula(sentence: str, formulas: list[re.Match[str]]) -> str:
    """The sentence's last formula, with those that + or "and" joins to it."""
    found = formulas[-1]
    content = next(group for group in found.groups() if group is not None).strip()
    rest = sentence[found.end() :]
    if percent := re.match(r"\s*(\\?%|percent|pct)", rest):
        content = f"{content} {percent[1]}"
    for before in reversed(formulas[:-1]):
        gap = sentence[before.end() : found.start()]
        if not re.fullmatch(r"\s*(?:,|,?\s*and|,?\s*or)\s*", gap):
            break
        content = next(g for g in before.groups() if g is not None).strip() + ", " + content
        found = before
    return content
