"""A training set looked over before anything is spent: counts, sizes, overlap, one prompt of each kind.

No model is loaded; token lengths need a checkpoint's processor and are left out without one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vigos_eval.engines.rendering import ImageLimits, decoded_image, prompt_text
from vigos_eval.errors import DataError, EngineError
from vigos_eval.protocol import Protocol
from vigos_train.contexts import Question, Speaker, context, short_answer
from vigos_train.data import Rows
from vigos_train.overlap import pixel_hash
from vigos_train.rows import Row

# Upper edges of the histogram, megapixels.
EDGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass
class DataFacts:
    """What a pass over the rows found.

    Attributes:
        rows: Rows that could be read.
        unreadable: Why rows could not be, with the row's name, in order.
        without_answer: Rows without a reference answer.
        images: Images in the readable rows.
        distinct_images: Different ones, by hash.
        several_images: Rows with more than one image.
        sizes: Images per size class, by the class's upper edge in megapixels (inf above).
        tokens: Student prompt lengths, tokens; empty without a processor.
        overlapping: Rows whose image is also in the benchmark, by row id.
        first: The first readable row, for the rendered prompts.
    """

    rows: int = 0
    unreadable: list[str] = field(default_factory=list)
    without_answer: int = 0
    images: int = 0
    distinct_images: int = 0
    several_images: int = 0
    sizes: Counter[float] = field(default_factory=Counter)
    tokens: list[int] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)
    first: Row | None = None


def data_facts(
    rows: Rows,
    against: frozenset[str] = frozenset(),
    processor: Any = None,
    protocol: Protocol | None = None,
) -> DataFacts:
    """Look at every row once; images are opened, never kept.

    Args:
        rows: The training set.
        against: A benchmark's `overlap.benchmark_images`.
        processor: A checkpoint's, for token lengths; None leaves them out.
        protocol: Whose student prompt is measured.
    """
    from tqdm import tqdm

    facts = DataFacts()
    seen: set[str] = set()
    for number in tqdm(range(len(rows)), unit="row", disable=None):
        try:
            row = rows[number]
            pictures = [decoded_image(i, ImageLimits(), row.id) for i in row.images]
            sizes = [picture.size for picture in pictures]
            if processor is not None and protocol is not None:
                facts.tokens.append(_prompt_tokens(row, sizes, processor, protocol))
        except (DataError, EngineError) as error:
            facts.unreadable.append(str(error))
            continue
        facts.first = facts.first or row
        facts.rows += 1
        facts.images += len(sizes)
        facts.several_images += len(sizes) > 1
        facts.without_answer += not short_answer(row.answer)
        facts.sizes.update(size_class(*size) for size in sizes)
        hashes = {image.sha256 for image in row.images}
        seen |= hashes
        if against and against & hashes.union(map(pixel_hash, pictures)):
            facts.overlapping.append(row.id)
    facts.distinct_images = len(seen)
    return facts


def size_class(width: int, height: int) -> float:
    """The upper edge, in megapixels, of the class an image falls into.

    >>> size_class(640, 480), size_class(4000, 3000)
    (0.5, inf)
    """
    area = width * height / 1e6
    return next((edge for edge in EDGES if area <= edge), float("inf"))


def _prompt_tokens(
    row: Row, sizes: Sequence[tuple[int, int]], processor: Any, protocol: Protocol
) -> int:
    """Length of the student prompt: text tokens, and image tokens by the processor's own rule.

    Raises:
        DataError: The processor refuses an image, as training would.
    """
    from vigos_train.encoding import as_prompt

    question = Question(row.problem, row.answer, len(row.images))
    prompt = as_prompt(
        context(Speaker.STUDENT, question, prompt=protocol.prompt), row.images, row.id
    )
    text = len(
        processor.tokenizer(prompt_text(prompt, processor), add_special_tokens=False)["input_ids"]
    )
    images = processor.image_processor
    merged = images.merge_size**2
    try:
        patches = [images.get_number_of_image_patches(height, width, {}) for width, height in sizes]
    except ValueError as error:
        raise DataError(f"{row.id}: the image processor refuses an image ({error})") from error
    return text + sum(count // merged - 1 for count in patches)


def facts_text(facts: DataFacts, limit: int) -> str:
    """The facts for people, warnings marked; `limit` is the longest prompt that is asked."""
    lines = [
        f"rows            {facts.rows:,} readable, {len(facts.unreadable):,} unreadable",
        f"images          {facts.images:,}, {facts.distinct_images:,} different; "
        f"{facts.several_images:,} rows with several",
        f"without answer  {facts.without_answer:,} rows",
    ]
    lines += [f"WARNING unreadable: {reason}" for reason in facts.unreadable[:5]]
    if facts.without_answer:
        lines.append(
            f'WARNING {facts.without_answer:,} rows have no answer: their teachers are told "No '
            'reference answer was provided."'
        )
    lines.append("image sizes     (megapixels, images)")
    for edge in (*EDGES, float("inf")):
        name = f"<= {edge:g}" if edge != float("inf") else f" > {EDGES[-1]:g}"
        share = facts.sizes[edge] / max(1, facts.images)
        lines.append(f"  {name:8} {facts.sizes[edge]:8,}  {'#' * round(40 * share)}")
    if facts.tokens:
        ordered = sorted(facts.tokens)
        at = {name: ordered[int(q * (len(ordered) - 1))] for name, q in QUANTILES}
        above = sum(length > limit for length in ordered)
        shown = ", ".join(f"{name} {value:,}" for name, value in at.items())
        lines.append(f"prompt tokens   {shown}; {above:,} above {limit:,} will be skipped")
    else:
        lines.append("prompt tokens   not counted: name the base with --checkpoint")
    if facts.overlapping:
        some = ", ".join(facts.overlapping[:5])
        lines.append(
            f"WARNING {len(facts.overlapping):,} rows show an image of the benchmark ({some}): "
            "their scores there are no test any more"
        )
    return "\n".join(lines)


QUANTILES = (("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("longest", 1.0))


def rendered_contexts(row: Row, protocol: Protocol) -> Iterable[tuple[str, str]]:
    """(speaker, its whole context in words) for one row; images stand as ``<image>``."""
    from vigos_eval.types import TextPart

    question = Question(row.problem, row.answer, len(row.images))
    for speaker in Speaker:
        view = context(speaker, question, prompt=protocol.prompt)
        parts = [
            part.text if isinstance(part, TextPart) else "<image>"
            for message in view.messages
            for part in message.parts
        ]
        yield str(speaker), "user: " + "".join(parts) + f"\nassistant: {view.prefill}"
