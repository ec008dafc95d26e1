"""Print all that is known about images, as JSON."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument
from compose.cli.options import ImagePlatform, InspectFormat, Words, inspect_each


def command(
    context: Context,
    names: Annotated[Words, Argument("IMAGE [IMAGE...]", minimum=1)],
    format: InspectFormat = "",
    platform: ImagePlatform = "",
) -> int:
    from compose.output import inspections

    with context.open_machine() as machine:
        return inspect_each(
            context,
            names,
            lambda name: inspections.image(machine.image_details(name, platform=platform)),
            format=format,
        )
