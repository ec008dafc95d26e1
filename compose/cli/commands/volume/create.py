"""Create a volume that files can name as external."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import Words, parse_object_labels, parse_pairs


def command(
    context: Context,
    name: Annotated[str, Argument("[VOLUME]")] = "",
    driver: Annotated[str, Flag("-d", "--driver", help="which", default="local")] = "local",
    opt: Annotated[
        Words, Flag("-o", "--opt", metavar="KEY=VALUE", help="an option of the driver")
    ] = (),
    label: Annotated[Words, Flag("--label", metavar="KEY=VALUE", help="add a label")] = (),
) -> None:
    from runtime.values import VolumeOptions

    options = VolumeOptions(
        name=name or _random_name(),
        driver=driver,
        driver_opts=parse_pairs("--opt", opt),
        labels=parse_object_labels(label),
        anonymous=not name,
    )
    with context.open_machine() as machine:
        context.console.out.line(machine.create_volume(options).name)


def _random_name() -> str:
    """64 hex digits, as Docker names a volume that has no name."""
    import os

    return os.urandom(32).hex()
