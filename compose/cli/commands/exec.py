"""Run a command in a running container."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import (
    Environment,
    Index,
    NoTty,
    Service,
    User,
    Words,
    WorkingDirectory,
    parse_environment,
)


def command(
    context: Context,
    service: Service,
    words: Annotated[Words, Argument("COMMAND [ARGS...]", minimum=1, rest=True)],
    detach: Annotated[bool, Flag("-d", "--detach", help="do not wait for it")] = False,
    env: Environment = (),
    index: Index = 0,
    no_tty: NoTty = None,
    privileged: Annotated[bool, Flag("--privileged", help="with all privileges")] = False,
    user: User = None,
    workdir: WorkingDirectory = None,
    interactive: Annotated[bool, Flag("-i", "--interactive", hidden=True)] = True,
    tty: Annotated[bool | None, Flag("-t", "--tty", hidden=True)] = None,
) -> int:
    from compose.cli import terminal
    from compose.options import ExecOptions, Stdio

    has_tty = not detach and terminal.wanted(tty=tty, no_tty=no_tty)
    options = ExecOptions(
        service=service,
        command=words,
        environment=parse_environment(env),
        user=user or "",
        working_dir=workdir or "",
        index=index,
        tty=has_tty,
        interactive=interactive,
        privileged=privileged,
        detach=detach,
    )
    stdio = Stdio(stdin=0 if interactive and not detach else -1)
    with context.open_stack() as stack:
        if not context.flags.dry_run:  # a display costs milliseconds, and has nothing to show
            return stack.exec(options, stdio=stdio).exit_code
        with context.display("exec") as display:
            return stack.exec(options, stdio=stdio, on_event=display.on_event).exit_code
