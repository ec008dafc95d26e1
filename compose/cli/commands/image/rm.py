"""Remove images, or names of images."""

from typing import Annotated

from compose import exit_codes
from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import ImagePlatform, Words


def command(
    context: Context,
    names: Annotated[Words, Argument("IMAGE [IMAGE...]", minimum=1)],
    force: Annotated[
        bool, Flag("-f", "--force", help="the name goes even while a container needs the image")
    ] = False,
    no_prune: Annotated[bool, Flag("--no-prune", help="keep the files for later")] = False,
    platform: ImagePlatform = "",
) -> int:
    from compose.cli.failure import report
    from runtime.errors import NotFound, RuntimeFault

    code = exit_codes.SUCCESS
    with context.open_machine() as machine:
        for name in names:
            try:
                lines = machine.remove_image(
                    name, force=force, prune=not no_prune, platform=platform
                )
            except RuntimeFault as error:
                if not (force and isinstance(error, NotFound)):
                    code = report(error, context)
            else:
                context.console.out.lines(lines)
    return code
