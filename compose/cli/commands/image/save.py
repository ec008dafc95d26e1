"""Save images to an archive that Docker and OCI tools read."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import ImagePlatform, Words
from compose.cli.parsing import UsageError


def command(
    context: Context,
    names: Annotated[Words, Argument("IMAGE [IMAGE...]", minimum=1)],
    output: Annotated[
        str,
        Flag(
            "-o",
            "--output",
            metavar="PATH",
            help="file (.gz and .zst: compressed) or an empty folder",
            default="stdout",
        ),
    ] = "",
    platform: ImagePlatform = "",
) -> None:
    if not output and context.console.out.is_terminal:
        raise UsageError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    context.console.flush()
    with context.open_machine() as machine:
        machine.save_images(names, output or "-", platform=platform)
