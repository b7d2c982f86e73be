"""The one signature behind which every engine stands. No engine here, nothing heavy imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol as TypingProtocol

from vigos_eval.types import Decoding, Generated, Prompt


class Engine(TypingProtocol):
    """Prompts + decoding -> completions.

    An engine takes prompts from the iterable only as fast as its window needs them, so that
    encoded images of thousands of prompts are never in memory at once; it decodes each
    prompt's images once. It yields in any order: `Generated.key` says whose answer it is.
    """

    @property
    def identity(self) -> Mapping[str, str]:
        """What was loaded: hub revision or weight-file hashes, adapter hash. For the fingerprint."""
        ...

    def generate(self, prompts: Iterable[Prompt], decoding: Decoding) -> Iterator[Generated]:
        """Sample `decoding.n` completions for every prompt, each prompt once.

        Raises:
            PromptRefused: A prompt is too long for the context, or its image unreadable; what was
                under way is yielded first.
            EngineError: The engine has died. A failed request is an error and never an answer.
        """
        ...

    def close(self) -> None:
        """Give back memory, processes and connections."""
        ...
