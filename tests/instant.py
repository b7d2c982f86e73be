"""An engine that answers at once: for what is ours around an engine, never for an engine's own tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from vigos_eval.types import Completion, Decoding, Generated, Prompt


class InstantEngine:
    """Answers at once, each sample another letter; counts what it was asked."""

    identity: Mapping[str, str] = {"engine": "instant"}

    def __init__(self) -> None:
        self.asked: list[tuple[Prompt, Decoding]] = []

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        """n completions per prompt, in order."""
        for prompt in prompts:
            self.asked.append((prompt, decoding))
            yield Generated(
                prompt.key,
                10,
                tuple(
                    Completion(
                        f"bars</description><think>so</think> \\boxed{{{'ABCD'[i % 4]}}}", 9, "stop"
                    )
                    for i in range(decoding.n)
                ),
            )

    def close(self) -> None:
        """Nothing to give back."""
