"""Load images from an archive that `image save` or `docker save` wrote, or from an OCI layout."""

import os
from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import ImagePlatform
from compose.cli.parsing import UsageError


def command(
    context: Context,
    input: Annotated[
        str, Flag("-i", "--input", metavar="PATH", help="archive or folder", default="stdin")
    ] = "",
    platform: ImagePlatform = "",
    quiet: Annotated[bool, Flag("-q", "--quiet", help="without progress")] = False,
) -> None:
    from compose.cli.image_progress import shown

    if not input and os.isatty(0):
        raise UsageError("requested load from stdin, but stdin is empty")
    with (
        context.open_machine() as machine,
        shown(context, "load", quiet=quiet) as progress,
    ):
        loaded = machine.load_images(input or "-", platform=platform, on_progress=progress)
    for image in loaded:
        names = [f"Loaded image: {name}" for name in image.names]
        context.console.out.lines(names or [f"Loaded image ID: {image.id}"])
