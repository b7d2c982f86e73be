r"""Per-token KL between two distributions over the vocabulary, from hidden states. No model here.

The [tokens, vocabulary] logits are never formed: a chunk of tokens is projected, its KL and its
gradient are taken, and the buffers serve the next chunk. lm_head is frozen under LoRA, so no
weight gradient exists, and the gradient with respect to the student's hidden states is ready in
the forward pass; backward only scales it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["forward", "reverse"]
ClipMode = Literal["token", "vocab", "none"]


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Which KL, and where it is cut.

    Attributes:
        direction: ``forward`` is KL(teacher || student), ``reverse`` KL(student || teacher).
        clip: Nats. ``clip_mode: token``: limit of one token's KL, after the vocabulary sum; above
            it the token has no gradient. ``vocab``: limit of one vocabulary entry's term before
            the sum, as OPSD does; the rest of the token keeps its gradient.
        clip_mode: ``token``, ``vocab`` or ``none``.
        temperature: Divides both logits; the KL is not rescaled by its square.
    """

    direction: Direction = "forward"
    clip: float = 0.05
    clip_mode: ClipMode = "token"
    temperature: float = 1.0
