"""An error that ends the command -> text on stderr and an exit code. No traceback without
`--debug`.

Which code, and whether anything is printed at all, is decided here; how a report looks, in
output/diagnostics.py.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from compose import exit_codes
from compose.cli.parsing import UsageError

if TYPE_CHECKING:
    from compose.cli.context import Context
    from runtime.errors import RuntimeFault


WATCHING = ("logs", "events", "wait", "attach", "stats")


def report(error: BaseException, context: Context | None) -> int:
    """Say what went wrong, once, and return the exit code of the process."""
    error = _innermost(error)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else exit_codes.FAILURE
    if isinstance(error, KeyboardInterrupt):
        return exit_codes.INTERRUPTED
    if isinstance(error, BrokenPipeError):
        silence_output()
        return exit_codes.CLOSED_PIPE
    if context is not None and context.flags.debug:
        _print_traceback(error)
    return _report_known(error, context)


def silence_output() -> None:
    """Nobody reads any more: what is still buffered must not fail again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _innermost(error: BaseException) -> BaseException:
    """The first cause inside groups: task groups wrap whatever leaves them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _report_known(error: BaseException, context: Context | None) -> int:
    from compose.errors import ComposeError, Interrupted
    from compose.output.console import Console
    from runtime.errors import RuntimeFault

    console = context.console if context is not None else Console()
    console.flush()
    if isinstance(error, UsageError):
        _say(context, error.message, error.message)
        return exit_codes.FAILURE
    if isinstance(error, Interrupted):
        # after Ctrl-C in an attached up, the lines of the stopping have said it; of those that
        # only watch, Ctrl-C is the way to end
        if error.message != "interrupted" and getattr(context, "verb", "") not in WATCHING:
            _say(context, error.message, error.message)
        return error.exit_code
    if not isinstance(error, (ComposeError, RuntimeFault)):
        error = _as_known(error)
    if error.message:
        from compose.output import diagnostics

        _say(context, diagnostics.render(error, console.err), str(error), error)
    return error.exit_code


def _say(
    context: Context | None, text: str, message: str, error: BaseException | None = None
) -> None:
    """On stderr, in whatever form the progress has."""
    if context is not None and _wants_json(context):
        from compose.output import diagnostics

        text = diagnostics.render_json(message, error)
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        pass  # nobody reads the errors either


def _wants_json(context: Context) -> bool:
    try:
        return context.progress_mode == "json"
    except UsageError:
        return False


def _as_known(error: BaseException) -> RuntimeFault:
    """What should have been translated where it arose, with what can still be said."""
    from runtime.errors import RuntimeFault, describe_errno

    if isinstance(error, OSError):
        # what the engine does is translated where it happens; without a name this is our own output
        what = f"use `{os.fsdecode(error.filename)}`" if error.filename else "write the output"
        return RuntimeFault(f"cannot {what}", code="E798", answered=describe_errno(error))
    if isinstance(error, MemoryError):
        return RuntimeFault("not enough memory", code="E797")
    return RuntimeFault(
        f"a defect of pycompose: {type(error).__name__}: {error}",
        code="E799",
        hint="call it again with `--debug` before the verb and report what it prints",
    )


def _print_traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error, file=sys.stderr)
