"""Pull an image from its registry."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag


def command(
    context: Context,
    name: Annotated[str, Argument("NAME[:TAG|@DIGEST]", minimum=1)],
    all_tags: Annotated[bool, Flag("-a", "--all-tags", help="every tag of the name")] = False,
    platform: Annotated[
        str, Flag("--platform", metavar="OS/ARCH", help="which of several platforms")
    ] = "",
    quiet: Annotated[bool, Flag("-q", "--quiet", help="without progress")] = False,
) -> None:
    lines: list[str] = []
    with (
        context.open_machine() as machine,
        context.display("pull", quiet=quiet) as display,
    ):
        for one in machine.remote_tags_of(name) if all_tags else (name,):
            with display.work(f"Image {one}", "Pulling", "Pulled") as on_progress:
                image = machine.pull_image(one, platform=platform, on_progress=on_progress)
            shown = image.name or one
            lines += [shown] if quiet or not image.digest else [f"Digest: {image.digest}", shown]
    context.console.out.lines(lines)
