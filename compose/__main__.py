"""The process `pycompose`: `python -m compose`, the launcher script and the installed command start
here."""

import sys


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    from compose.cli.app import find_program, run, stop_at_signals

    stop_at_signals()
    return run(sys.argv[1:], program=find_program(sys.argv[0]))


if __name__ == "__main__":
    sys.exit(main())
