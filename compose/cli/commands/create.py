"""Create containers without starting them."""

from compose.cli.context import Context
from compose.cli.options import (
    Build,
    ForceRecreate,
    NoBuild,
    NoRecreate,
    Pull,
    QuietPull,
    RemoveOrphans,
    Scale,
    Services,
    Yes,
    orphans,
    parse_pull,
    parse_scale,
)
from compose.cli.parsing import UsageError


def command(
    context: Context,
    services: Services = (),
    build: Build = False,
    no_build: NoBuild = False,
    pull: Pull = "",
    quiet_pull: QuietPull = False,
    force_recreate: ForceRecreate = False,
    no_recreate: NoRecreate = False,
    remove_orphans: RemoveOrphans = None,
    scale: Scale = (),
    yes: Yes = False,
) -> None:
    if build and no_build:
        raise UsageError("--build and --no-build are incompatible")
    if force_recreate and no_recreate:
        raise UsageError("--force-recreate and --no-recreate are incompatible")
    from compose.options import CreateOptions

    remove, ignore = orphans(context, remove_orphans)
    options = CreateOptions(
        services=services,
        build=build,
        pull=parse_pull(pull),
        quiet_pull=quiet_pull,
        force_recreate=force_recreate,
        no_recreate=no_recreate,
        remove_orphans=remove,
        ignore_orphans=ignore,
        scale=parse_scale(scale),
        yes=yes,
    )
    with context.open_stack() as stack, context.display("create") as display:
        stack.create(options, on_event=display.on_event)
