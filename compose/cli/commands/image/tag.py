"""Give an image a further name."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument


def command(
    context: Context,
    source: Annotated[str, Argument("SOURCE_IMAGE[:TAG]", minimum=1)],
    target: Annotated[str, Argument("TARGET_IMAGE[:TAG]", minimum=1)],
) -> None:
    with context.open_machine() as machine:
        machine.tag_image(source, target)
