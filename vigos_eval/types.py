"""The records that travel through the house, all frozen. No behaviour, no imports of ours.

Sample -> Prompt -> [Engine] -> Completion x k -> Answer -> Verdict -> Score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Source = Literal["paper", "official"]


class AnswerKind(StrEnum):
    """What kind of thing the gold answer is; it selects the rule that grades.

    CHOICE, NUMBER, EXPRESSION, LIST and WORD are closed: rules end CORRECT or WRONG.
    TEXT is open: what does not match is left to the judge.
    """

    CHOICE = "choice"
    NUMBER = "number"
    EXPRESSION = "expression"
    LIST = "list"
    WORD = "word"
    TEXT = "text"


@dataclass(frozen=True)
class EncodedImage:
    """One image as the bytes that were stored (JPEG, PNG, ...), not yet decoded.

    Attributes:
        data: The file's bytes.
        sha256: Hex digest of `data`; the image's identity everywhere.
    """

    data: bytes = field(repr=False)
    sha256: str


@dataclass(frozen=True)
class Sample:
    """One question of one benchmark, as it is asked and graded.

    Attributes:
        task: Plain task name without prefix or source suffix, e.g. ``mmmu`` or ``vilp_f``.
        source: Which data the row came from.
        id: Unique within the task.
        question: The text put into the prompt's ``{question}``. With the official MMMU data it
            holds ``<image n>`` marks where the images stand.
        gold: The gold answer as the data set writes it (a letter, a text, a list as a string).
        kind: Which rule grades it.
        cluster: Questions of one cluster are not independent draws; errors are clustered by it.
        options: Option texts without their letters; empty when the question is open.
        images: The images in the order in which the question refers to them.
        subgroups: Named groups for the report, e.g. ``{"subject": "Math"}``.
        grading: Benchmark-specific facts that a rule needs, as strings:
            ``precision`` (MathVista, decimals), ``unit``, ``rule`` (``vilp``; ``alternatives``:
            a list gold of which each member is right), ``gold`` (``text``: options are meant by
            their text).
    """

    task: str
    source: Source
    id: str
    question: str
    gold: str
    kind: AnswerKind
    cluster: str
    options: tuple[str, ...] = ()
    images: tuple[EncodedImage, ...] = ()
    subgroups: Mapping[str, str] = field(default_factory=dict)
    grading: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TextPart:
    """A piece of text in a message."""

    text: str


@dataclass(frozen=True)
class ImagePart:
    """The place of one image in a message; `index` counts from 0 into `Prompt.images`."""

    index: int


Part = TextPart | ImagePart


@dataclass(frozen=True)
class Message:
    """One turn. The assistant's opening words are `Prompt.prefill`, not a message."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Prompt:
    """Everything an engine needs to answer one question.

    Attributes:
        key: Unique in a run; a completion carries it back.
        messages: The conversation, image places included.
        images: Encoded images; engines decode them once, inside their window.
        prefill: Text the assistant's turn starts with; "" for none. The model's answer is
            prefill + completion.
    """

    key: str
    messages: tuple[Message, ...]
    images: tuple[EncodedImage, ...] = ()
    prefill: str = ""


@dataclass(frozen=True)
class Decoding:
    """How to sample.

    Attributes:
        n: Samples per prompt; sample i uses seed ``seed + i`` on every engine (hf: with the
            prompt, so that questions are independent).
        temperature: 0 is greedy.
        top_p: Nucleus, in (0, 1].
        top_k: 0 is off.
        max_new_tokens: Limit per sample, in tokens.
        seed: Seed of sample 0.
        suppress_token_ids: Ids that are never sampled (image placeholders in training rollouts).
    """

    n: int
    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    seed: int
    suppress_token_ids: tuple[int, ...] = ()


FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Completion:
    """One sampled answer of one prompt.

    Attributes:
        text: The sampled text, special tokens removed, prefill NOT included.
        tokens: Number of sampled tokens, the end token included.
        finish_reason: ``length`` means cut off at the token limit.
        token_ids: The sampled ids, end token included; empty when an engine cannot tell (server).
    """

    text: str
    tokens: int
    finish_reason: FinishReason
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Generated:
    """What an engine returns for one prompt: its key and its n completions, in sample order.

    Attributes:
        key: `Prompt.key`.
        prompt_tokens: Length of the prompt in tokens, image placeholders and prefill included;
            0 when an engine cannot tell.
        completions: n of them.
        prompt_ids: The prompt's token ids as the engine saw them; empty when it cannot tell.
    """

    key: str
    prompt_tokens: int
    completions: tuple[Completion, ...]
    prompt_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What a completion says, taken apart.

    Attributes:
        text: The extracted answer, or None when there is none.
        description: Text of the description segment, or None.
        think: Text of the think segment, or None.
        is_format_valid: description, think and box all there, in order, closed.
        is_truncated: The completion was cut off at the token limit.
    """

    text: str | None
    description: str | None
    think: str | None
    is_format_valid: bool
    is_truncated: bool

    @property
    def is_unparsed(self) -> bool:
        """No answer could be extracted."""
        return self.text is None


class Outcome(StrEnum):
    """What grading one answer can end in.

    UNGRADED is a fault of the instrument (judge down, gold unparsable), never of the model:
    it leaves the denominator and is counted in its own column.
    """

    CORRECT = "correct"
    WRONG = "wrong"
    UNGRADED = "ungraded"


@dataclass(frozen=True)
class Verdict:
    """One graded answer. `reason` is for people; no code may branch on it.

    Attributes:
        outcome: CORRECT, WRONG or UNGRADED.
        reason: One line for people.
        decided_by: ``rules``, ``judge`` or ``none`` (UNGRADED, or no answer to grade).
    """

    outcome: Outcome
    reason: str
    decided_by: Literal["rules", "judge", "none"] = "rules"


@dataclass(frozen=True)
class Score:
    """A metric over one task.

    Attributes:
        value: Mean over the graded questions, as a fraction in [0, 1]; NaN when none is graded.
        stderr: Standard error of `value`, clustered by `Sample.cluster`, Wilson's where all clusters
            came out alike (stats.share_stderr); NaN below two clusters.
        graded: Questions in the mean.
        ungraded: Questions left out because grading failed.
    """

    value: float
    stderr: float
    graded: int
    ungraded: int
