"""Our own terminal while a process in a container uses it: whether it gets one, and the raw mode.

In raw mode every key goes to the process, Ctrl-C too. However the command ends, the terminal is put
back.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from compose.cli.parsing import UsageError


def wanted(*, tty: bool | None, no_tty: bool | None, stdin: bool = True) -> bool:
    """Whether the process gets a terminal: as said, else when both stdin and stdout are one.

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


@contextmanager
def prepared(*, raw: bool) -> Iterator[None]:
    """Raw while the block runs, if it is wanted and stdin is a terminal."""
    if not raw or not os.isatty(0):
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSADRAIN)
    try:
        yield
    finally:
        sys.stdout.flush()
        termios.tcsetattr(0, termios.TCSADRAIN, before)
