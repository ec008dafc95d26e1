"""The process `pycompose`: `python -m compose`, the launcher and the installed command begin
here."""

import gc
import os
import sys
from typing import NoReturn


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    from compose.cli.app import find_program, run, stop_at_signals

    stop_at_signals()
    return run(sys.argv[1:], program=find_program(sys.argv[0]))


def start() -> NoReturn:
    """`main` as the whole life of the process, without the 10 ms that an interpreter takes to tidy
    up."""
    # importing makes 100,000 objects and no garbage worth looking for every 700
    gc.set_threshold(100_000, 10, 10)
    _open_missing_streams()
    code = main()
    try:
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # closed: there is nobody to tell
    os._exit(code)


def _open_missing_streams() -> None:
    """/dev/null for each of the three that the caller closed, as Go's runtime does for Docker's
    command: else a file that we open is taken for it, and handed to a container's program."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


if __name__ == "__main__":
    start()
