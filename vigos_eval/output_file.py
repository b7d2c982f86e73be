"""Writing a file that the user asked for by an option: the folder is made, a failure is one line."""

from __future__ import annotations

from pathlib import Path

from vigos_eval.errors import ConfigError


def write_output(path: Path, text: str, option: str) -> None:
    """Write `text` in UTF-8 where `option` says, also to a pipe or /dev/stdout.

    Raises:
        ConfigError: It cannot be written there; names the option and why.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, option, error) from error


def unwritable(path: Path, option: str, error: OSError) -> ConfigError:
    """The error to raise when `option`'s file or folder cannot be written.

    >>> print(unwritable(Path("a/b"), "--junit", OSError(13, "Permission denied")))
    --junit a/b cannot be written (Permission denied); choose another place
    """
    return ConfigError(
        f"{option} {path} cannot be written ({error.strerror}); choose another place"
    )
