"""List the images that containers were made from."""

from compose.cli.context import Context
from compose.cli.options import Quiet, Services, TableFormat


def command(
    context: Context, services: Services = (), format: TableFormat = "table", quiet: Quiet = False
) -> None:
    from compose.output import image_tables

    with context.open_stack() as stack:
        rows = stack.images(services)
    context.console.out.lines(image_tables.show_used(rows, format=format, quiet=quiet))
