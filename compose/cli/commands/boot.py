"""Start what restart policies say should run, after the machine has started."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag


def command(
    context: Context,
    install: Annotated[
        bool, Flag("--install", help="let systemd call this at every start of the machine")
    ] = False,
) -> None:
    if install:
        from compose.cli import boot_unit

        context.require_root()
        if context.flags.dry_run:
            context.would(f"Unit {boot_unit.NAME}", "Installing", "Installed")
            return
        path = boot_unit.install(
            context.program, context.environment, folder=context.doors.unit_folder
        )
        context.console.out.line(path)
        return
    with context.open_machine() as machine:
        for name in machine.boot():
            context.console.out.line(name)
