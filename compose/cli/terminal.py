"""Does a process in a container get a terminal? How it is moved to and from ours is
scheduling/stdio.py's."""

from __future__ import annotations

import os

from compose.cli.parsing import UsageError


def wanted(*, tty: bool | None, no_tty: bool | None, stdin: bool = True) -> bool:
    """As said, else when both stdin and stdout are a terminal.

    Raises UsageError when one is demanded and stdin, which would have to feed it, is none.
    """
    demanded = tty if tty is not None else None if no_tty is None else not no_tty
    if demanded is False:
        return False
    if demanded and stdin and not os.isatty(0):
        raise UsageError(
            "cannot attach stdin to a TTY-enabled container because stdin is not a terminal"
        )
    return bool(demanded) or (os.isatty(0) and os.isatty(1))
