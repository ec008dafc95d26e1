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
    code = main()
    try:
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # closed: there is nobody to tell
    os._exit(code)


if __name__ == "__main__":
    start()
