"""Make an image from the tar of a root file system."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import ImagePlatform, Words


def command(
    context: Context,
    source: Annotated[str, Argument("FILE|URL|-", minimum=1)],
    name: Annotated[str, Argument("[REPOSITORY[:TAG]]")] = "",
    change: Annotated[
        Words,
        Flag("-c", "--change", metavar="INSTRUCTION", help="apply a Dockerfile instruction"),
    ] = (),
    message: Annotated[str, Flag("-m", "--message", help="text for the image's history")] = "",
    platform: ImagePlatform = "",
) -> None:
    from compose.cli.image_progress import shown

    with context.open_machine() as machine, shown(context, "import") as progress:
        image = machine.import_image(
            source, name, changes=change, message=message, platform=platform, on_progress=progress
        )
    if image.id:
        context.console.out.line(image.id)
