"""How the user's error ends a command of lmms-eval's: as its last line, with exit code 2."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from vigos_eval.errors import UserError

COMMANDS = ("lmms-eval", "lmms_eval", "vigos-eval", "vigos_eval")


def stop(error: UserError) -> NoReturn:
    """End a command with the user's error as its last line; a Python caller gets the exception.

    The host's command line catches every exception, prints a traceback and exits with 0.
    """
    program = Path(sys.argv[0])
    # `python -m lmms_eval` runs lmms_eval/__main__.py.
    if program.name in COMMANDS or program.parent.name in COMMANDS:
        print(f"vigos: {error}", file=sys.stderr, flush=True)
        raise SystemExit(2) from None
    raise error
