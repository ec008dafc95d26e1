"""Show the steps that an image was made by."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import ImagePlatform, Quiet, RowFormat


def command(
    context: Context,
    name: Annotated[str, Argument("IMAGE", minimum=1)],
    format: RowFormat = "",
    human: Annotated[
        bool, Flag("-H", "--human", help="sizes and times in words", default="true")
    ] = True,
    no_trunc: Annotated[bool, Flag("--no-trunc", help="whole texts")] = False,
    platform: ImagePlatform = "",
    quiet: Quiet = False,
) -> None:
    from compose.output import image_tables

    with context.open_machine() as machine:
        details = machine.image_details(name, platform=platform)
    context.console.out.lines(
        image_tables.show_history(
            details, format=format, quiet=quiet, truncate=not no_trunc, human=human
        )
    )
