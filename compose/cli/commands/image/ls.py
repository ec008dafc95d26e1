"""List images."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import Quiet, RowFormat, Words


def command(
    context: Context,
    name: Annotated[str, Argument("[REPOSITORY[:TAG]]")] = "",
    all: Annotated[
        bool, Flag("-a", "--all", help="no effect: there are no intermediate images")
    ] = False,
    digests: Annotated[bool, Flag("--digests", help="with the digests of registries")] = False,
    filter: Annotated[
        Words, Flag("-f", "--filter", metavar="KEY=VALUE", help="only such ones")
    ] = (),
    format: RowFormat = "",
    no_trunc: Annotated[bool, Flag("--no-trunc", help="whole ids")] = False,
    quiet: Quiet = False,
) -> None:
    from compose.cli.moments import parse_moment
    from compose.output import image_tables
    from compose.output.filters import select_images

    with context.open_machine() as machine:
        found = select_images(machine.images(), filter, moment=parse_moment, name=name)
    context.console.out.lines(
        image_tables.show_images(
            found, format=format, quiet=quiet, truncate=not no_trunc, digests=digests
        )
    )
