"""What went wrong below `compose/`: what was tried, what the system answered, what to do.

One class for what the kernel or a file refused, and one for each answer that a caller acts on. The
stable codes of the messages (`E3xx` in the engine, `E4xx` in the kernel) stand where the error is
raised.
"""

from __future__ import annotations

import errno as errno_names
import os
from collections.abc import Iterator
from contextlib import contextmanager


class RuntimeFault(Exception):
    """An operation of the engine failed.

    `tried` is the operation with its object, `answered` the system's own words (an errno's name, a
    peer's message), `hint` what the user can do. `str()` is the message alone;
    `compose/output/diagnostics.py` prints the rest.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "E300",
        tried: str = "",
        answered: str = "",
        hint: str = "",
        exit_code: int = 1,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.tried = tried
        self.answered = answered
        self.hint = hint
        self.exit_code = exit_code


class NotFound(RuntimeFault):
    """No container, network, volume or image of that name. Raised by every look-up of `Engine`."""


class AlreadyExists(RuntimeFault):
    """The name is taken: a container, a network, a volume."""


class InUse(RuntimeFault):
    """A network, volume or image that somebody still uses is not removed."""


class PortTaken(RuntimeFault):
    """A host port is held by somebody else; the message says by whom."""


class StartFailed(RuntimeFault):
    """A container could not be started. `exit_code` is Docker's: 125 engine, 126 not executable,
    127 not found."""


class Unreachable(RuntimeFault):
    """A process of ours (supervisor, keeper) did not answer."""


def describe_errno(error: OSError) -> str:
    """`EACCES (Permission denied)`, as it stands in `answered`."""
    if error.errno is None:
        return str(error)
    name = errno_names.errorcode.get(error.errno, str(error.errno))
    return f"{name} ({os.strerror(error.errno)})"


@contextmanager
def system_call(message: str, *, tried: str, code: str = "E400", hint: str = "") -> Iterator[None]:
    """Turn an OSError inside the block into a RuntimeFault that says what was tried."""
    try:
        yield
    except OSError as error:
        raise RuntimeFault(
            message, code=code, tried=tried, answered=describe_errno(error), hint=hint
        ) from error
