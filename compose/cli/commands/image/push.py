"""Push an image to its registry."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag


def command(
    context: Context,
    name: Annotated[str, Argument("NAME[:TAG]", minimum=1)],
    all_tags: Annotated[bool, Flag("-a", "--all-tags", help="every tag of the name")] = False,
    quiet: Annotated[bool, Flag("-q", "--quiet", help="without progress")] = False,
) -> None:
    lines = []
    with (
        context.open_machine() as machine,
        context.display("push", quiet=quiet) as display,
    ):
        for one in machine.tags_of(name) if all_tags else (name,):
            with display.work(f"Image {one}", "Pushing", "Pushed") as on_progress:
                digest, size = machine.push_image(one, on_progress=on_progress)
            is_short = quiet or not digest  # of a dry run
            lines.append(one if is_short else f"{one}: digest: {digest} size: {size}")
    context.console.out.lines(lines)
