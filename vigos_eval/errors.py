"""The error model: the user's errors and the instrument's. Ours are every other exception.

A `UserError` is printed in one line without a traceback and ends the process with exit
code 2. Its message names the thing, the value, the allowed values and the next command.
A `GraderFault` becomes an UNGRADED verdict. Anything else is a bug in us and propagates.
"""


class UserError(Exception):
    """Something the user can mend: a setting, a path, a file, a server that is not there."""


class ConfigError(UserError):
    """A setting has a value, or a name, that does not exist."""


class DataError(UserError):
    """A data set, or a row of it, is missing, unreadable or of another schema."""


class CheckpointError(UserError):
    """A checkpoint cannot be loaded as it lies there."""


class EngineError(UserError):
    """An engine cannot be built or refused a request: no GPU, wrong server, prompt too long."""


class PromptRefused(EngineError):
    """One prompt that an engine cannot answer, though it can others: too long, a torn image.

    Attributes:
        key: `Prompt.key`.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class RunFolderError(UserError):
    """A run folder is half-written, in use, full, or of another fingerprint."""


class ProtocolMismatch(UserError):
    """Two runs were made under different protocols; the message names the field."""


class UnpairedRunsError(UserError):
    """Two runs do not hold the same questions; the message names three."""


class GraderFault(Exception):
    """The instrument could not decide: gold unparsable, judge unreachable. Never the model's fault.

    An answer that exceeds our limits (time, length, nesting) is WRONG and not a fault.
    """
