r"""What is said about a scene: captions without a prior, questions with one, answers in the format.

A caption names what the picture shows and nothing else. A question may come with the fact that
makes the prior strong, with options, and with ViLP's opening words.
"""

from __future__ import annotations

from collections.abc import Sequence

from vigos_train.toy.world import Aspect, Scene, prior

ONE_WORD = "Please answer with one word: "
FACTS = {
    "color": "A {object} is usually {value}. ",
    "number": "A {object} usually comes {value} at a time. ",
}
QUESTIONS = {
    "color": "What color is the {object} in the image?",
    "number": "How often does the image show a {object}?",
}
THOUGHTS = {
    "color": "the {object} is {value}.",
    "number": "the image shows {value}.",
}


def caption(scene: Scene) -> str:
    """What the picture shows, in words that hold no prior.

    >>> caption(Scene("lemon", "blue", "2"))
    '2 blue lemon.'
    """
    return f"{scene.number} {scene.color} {scene.object}."


def fact(thing: str, aspect: Aspect) -> str:
    """What is usual, one sentence and a blank.

    >>> fact("lemon", "color")
    'A lemon is usually yellow. '
    """
    return FACTS[aspect].format(object=thing, value=prior(thing, aspect))


def question(thing: str, aspect: Aspect, *, is_with_fact: bool) -> str:
    """The question, behind the fact if asked.

    >>> question("lemon", "number", is_with_fact=True)
    'A lemon usually comes 1 at a time. How often does the image show a lemon?'
    """
    asked = QUESTIONS[aspect].format(object=thing)
    return (fact(thing, aspect) if is_with_fact else "") + asked


def with_options(text: str, options: Sequence[str]) -> str:
    r"""The question with lettered options, as the released data sets write them.

    >>> with_options("What?", ["red", "blue"])
    'What?\nA. red\nB. blue'
    """
    lines = [f"{letter}. {each}" for letter, each in zip("ABCD", options, strict=False)]
    return "\n".join([text, *lines])


def thought(scene: Scene, aspect: Aspect) -> str:
    r"""Reasoning and box, after ``<think>``; the blank keeps the tag's ``>`` a token of its own.

    >>> thought(Scene("lemon", "blue", "2"), "color")
    ' the lemon is blue.</think> \\boxed{blue}'
    """
    value = scene.value(aspect)
    said = THOUGHTS[aspect].format(object=scene.object, value=value)
    return f" {said}</think> \\boxed{{{value}}}"


def response(scene: Scene, aspect: Aspect) -> str:
    r"""The whole text in the method's format, after the prefill ``<description>``.

    >>> response(Scene("lemon", "blue", "2"), "color")
    '2 blue lemon.</description><think> the lemon is blue.</think> \\boxed{blue}'
    """
    return f"{caption(scene)}</description><think>{thought(scene, aspect)}"
