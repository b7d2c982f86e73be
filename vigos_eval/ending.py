"""How a command ends: the user's errors in one last line with exit code 2, never a traceback."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from vigos_eval.errors import UserError

# Refused by the disk or its owner: the user's to mend. Any other OSError is a fault of ours.
REFUSALS = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
        *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
    )
)
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


def exit_code(command: str, work: Callable[[], int]) -> int:
    """What `work` returns; 2 for the user's errors, 130 for Ctrl-C, 141 when the reader has left.

    Python's own code for a crash is 1, which is `compare`'s REGRESSION.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A log that knows ASCII only shows "?" for "±" instead of a traceback.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = work()
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{command}: interrupted; what was written is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_output()
        return 141
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        where = error.filename or "output"
        print(f"{command}: {where}: {error.strerror}", file=sys.stderr)
        if not error.filename:
            _drop_output()
        return 2


def _drop_output() -> None:
    """What could not be printed is dropped: Python would try again as it ends, and exit with 120."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
