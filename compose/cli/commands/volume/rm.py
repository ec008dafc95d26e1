"""Remove volumes that nobody uses."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import Words, for_each


def command(
    context: Context,
    names: Annotated[Words, Argument("VOLUME [VOLUME...]", minimum=1)],
    force: Annotated[
        bool, Flag("-f", "--force", help="no error for one that is not there")
    ] = False,
) -> int:
    with context.open_machine() as machine:
        return for_each(context, names, machine.remove_volume, ignore_missing=force)
