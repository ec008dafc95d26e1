"""Show the version."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.output import version

Format = Annotated[
    str, Flag("-f", "--format", help="form of the output", choices=("pretty", "json"))
]
Short = Annotated[bool, Flag("--short", help="the number alone")]


def command(context: Context, format: Format = "", short: Short = False) -> None:
    context.console.out.line(version.show(format, short=short))
