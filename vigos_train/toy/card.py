"""The data card that lies beside the toy world's files."""

from __future__ import annotations

from vigos_train.toy.world import PRIORS

CARD = """\
# A toy world with a prior

Drawn by `vigos-train toy-pretrain` from seed {seed}; nothing here was collected, nobody is shown.

Every picture (PNG, 56 x 56) shows one kind of object, in one colour, one to four times, with noise.
Saturation is drawn evenly from 0.02 to 0.9 in the rows to train on: at the low end the colour is
ambiguous and only the prior speaks. Benchmark pictures start at 0.3.

| object | usual colour | usual number |
|---|---|---|
{priors}

| file | columns | what it is |
|---|---|---|
| `train.jsonl` | problem_id, problem, images, answer | colour and number are each the usual one in 95 % of the rows |
| `mixed.jsonl` | same | the same with 50 % |
| `held_out.jsonl` | same | 50 %, other pictures |
| `ViLP/ViLP` | question, image1..3, answer1..3 | fact and question; image 1 as usual, images 2 and 3 against it in the asked aspect only |
| `zli12321/MMMU` | problem, images, answer, problem_id | four options in the problem, a letter as gold; every second picture against the prior |
| `zli12321/mathverse` | same | how often an object is shown; six of ten against the prior |

The columns are the real data sets', the content is not: a score here says nothing about those
benchmarks. Licence: Apache-2.0, as the code.
"""


def data_card(seed: int) -> str:
    """The card as Markdown.

    >>> data_card(7).splitlines()[2]
    'Drawn by `vigos-train toy-pretrain` from seed 7; nothing here was collected, nobody is shown.'
    """
    lines = (f"| {name} | {color} | {number} |" for name, (color, number) in PRIORS.items())
    return CARD.format(seed=seed, priors="\n".join(lines))
