"""The process that sympy and math-verify run in: one JSON line in, one JSON line out.

Started by `pool.py`, which kills it when a pair takes too long. It lives with a memory limit,
without the parent's environment, and sees only texts that `pool.is_admitted` let through.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
from typing import Any

MEMORY_BYTES = 2 * 1024**3
CPU_S = 600


def main() -> int:
    """Answer pairs until standard input ends; returns 0."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    replies = sys.stdout
    sys.stdout = sys.stderr  # nothing a library prints may look like a reply
    logging.disable(logging.CRITICAL)
    from math_verify import LatexExtractionConfig, parse, verify

    readers = [LatexExtractionConfig()]

    def trees(text: str) -> list[Any]:
        # No parsing_timeout: the parent's clock is the one that C code cannot block.
        return list(parse(f"${text}$", readers, fallback_mode="no_fallback", parsing_timeout=None))

    # The first parse builds the grammar's tables; a pair's time should not pay for that.
    verify(
        trees(r"\sum_{k=1}^{n} \frac{k}{2}"),
        trees(r"\begin{pmatrix}1 & 2\end{pmatrix}"),
        timeout_seconds=None,
    )
    replies.write("ready\n")
    replies.flush()
    for line in sys.stdin:
        pair = json.loads(line)
        equal: bool | None
        is_full = False
        try:
            gold, answer = trees(pair["gold"]), trees(pair["answer"])
            equal = bool(verify(gold, answer, timeout_seconds=None)) if gold and answer else None
        except (ArithmeticError, ValueError, TypeError, AttributeError, KeyError, IndexError,
                NotImplementedError, RecursionError, AssertionError):  # fmt: skip
            # What sympy raises on mathematics it cannot handle; any other error ends this
            # process, and the parent sees that as no answer.
            equal = None
        except MemoryError:
            equal, is_full = None, True
        replies.write(json.dumps({"equal": equal}) + "\n")
        replies.flush()
        if is_full:
            break  # the next pair gets a process with its memory free
    return 0


if __name__ == "__main__":
    sys.exit(main())
