"""The cards that lie beside the toy world's files and its base."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vigos_train.toy.world import PRIORS

TITLES = ("# A toy world with a prior", "# A toy base with a prior")
CARD = """\
# A toy world with a prior

Drawn by `vigos-train toy-pretrain` from seed {seed}; nothing here was collected, nobody is shown.

Every picture (PNG, 56 x 56) shows one kind of object, in one colour, one to four times, with noise.
Saturation is drawn evenly from 0.02 to 0.9 in the rows to train on: at the low end the colour is
ambiguous and only the prior speaks. Benchmark pictures start at 0.3.

| object | usual colour | usual number |
|---|---|---|
{priors}

| file | rows | columns | what it is |
|---|---|---|---|
| `train.jsonl` | {train} | problem_id, problem, images, answer | colour and number are each the usual one in 95 % of the rows |
| `mixed.jsonl` | {train} | same | the same with 50 % |
| `held_out.jsonl` | {held_out} | same | 50 %, other pictures |
| `ViLP/ViLP` | {vilp} | question, image1..3, answer1..3 | fact and question; image 1 as usual, images 2 and 3 against it in the asked aspect only |
| `zli12321/MMMU` | {mmmu} | problem, images, answer, problem_id | four options in the problem, a letter as gold; every second picture against the prior |
| `zli12321/mathverse` | {mathverse} | same | how often an object is shown; each row against the prior with a chance of 60 % |

The columns are the real data sets', the content is not: a score here says nothing about those
benchmarks. Licence: Apache-2.0, as the code.
"""

BASE_CARD = """\
# A toy base with a prior

A Qwen2.5-VL of a million parameters, pre-trained by `vigos-train toy-pretrain` from seed {seed}, {steps}
steps, in a toy world. It sees well when nothing is asked, and says what is usual when something
is: the fault is built in, to be mended. Of no use outside that world. Licence: Apache-2.0, as the code.
"""


def base_card(seed: int, steps: int) -> str:
    """The base's card as Markdown.

    >>> base_card(7, 400).splitlines()[0] in TITLES
    True
    """
    return BASE_CARD.format(seed=seed, steps=steps)


def is_ours(folder: Path) -> bool:
    """The folder holds one of these cards, so that toy-pretrain may replace it."""
    card = folder / "README.md"
    if not card.is_file():
        return False
    return card.read_text(encoding="utf-8", errors="replace").split("\n")[0] in TITLES


def data_card(seed: int, rows: Mapping[str, int]) -> str:
    """The card as Markdown.

    Args:
        seed: Of the world.
        rows: How many rows ``train`` (and ``mixed``), ``held_out``, ``vilp``, ``mmmu`` and
            ``mathverse`` have.

    >>> names = ("train", "held_out", "vilp", "mmmu", "mathverse")
    >>> data_card(7, dict.fromkeys(names, 1)).splitlines()[2]
    'Drawn by `vigos-train toy-pretrain` from seed 7; nothing here was collected, nobody is shown.'
    """
    lines = (f"| {name} | {color} | {number} |" for name, (color, number) in PRIORS.items())
    return CARD.format(seed=seed, priors="\n".join(lines), **rows)
