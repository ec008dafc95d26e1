"""Pull an image from its registry."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag


def command(
    context: Context,
    name: Annotated[str, Argument("NAME[:TAG|@DIGEST]", minimum=1)],
    platform: Annotated[
        str, Flag("--platform", metavar="OS/ARCH", help="which of several platforms")
    ] = "",
    quiet: Annotated[bool, Flag("-q", "--quiet", help="without progress")] = False,
) -> None:
    with (
        context.open_machine() as machine,
        context.display("pull", quiet=quiet) as display,
    ):
        with display.work(f"Image {name}", "Pulling", "Pulled") as on_progress:
            image = machine.pull_image(name, platform=platform, on_progress=on_progress)
    if quiet:
        context.console.out.line(image.name or name)
    else:
        context.console.out.lines([f"Digest: {image.digest}", image.name or name])
