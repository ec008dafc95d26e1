"""Create and start containers."""

from typing import Annotated

from compose.cli import remote_stack
from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import (
    Build,
    ForceRecreate,
    NoBuild,
    NoColour,
    NoDeps,
    NoPrefix,
    NoRecreate,
    Pull,
    QuietPull,
    Raw,
    RemoveOrphans,
    Scale,
    Services,
    Timeout,
    Wait,
    WaitTimeout,
    Words,
    Yes,
    orphans,
    parse_pull,
    parse_scale,
    seconds,
)
from compose.cli.parsing import UsageError
from compose.options import UpOptions


def command(
    context: Context,
    services: Services = (),
    detach: Annotated[bool, Flag("-d", "--detach", help="run in the background")] = False,
    abort_on_container_exit: Annotated[
        bool, Flag("--abort-on-container-exit", help="stop all when one container ends")
    ] = False,
    abort_on_container_failure: Annotated[
        bool, Flag("--abort-on-container-failure", help="stop all when one container fails")
    ] = False,
    exit_code_from: Annotated[
        str, Flag("--exit-code-from", metavar="SERVICE", help="end with this service's exit code")
    ] = "",
    attach: Annotated[
        Words, Flag("--attach", metavar="SERVICE", help="show the output of these alone")
    ] = (),
    no_attach: Annotated[
        Words, Flag("--no-attach", metavar="SERVICE", help="do not show the output of these")
    ] = (),
    attach_dependencies: Annotated[
        bool, Flag("--attach-dependencies", help="show the output of dependencies, too")
    ] = False,
    timestamps: Annotated[bool, Flag("--timestamps", help="show the time of each line")] = False,
    no_color: NoColour = False,
    no_log_prefix: NoPrefix = False,
    raw: Raw = False,
    build: Build = False,
    no_build: NoBuild = False,
    pull: Pull = "",
    quiet_pull: QuietPull = False,
    quiet_build: Annotated[
        bool, Flag("--quiet-build", help="no effect: a build has no output of its own yet")
    ] = False,
    force_recreate: ForceRecreate = False,
    no_recreate: NoRecreate = False,
    always_recreate_deps: Annotated[
        bool, Flag("--always-recreate-deps", help="recreate the services it depends on, too")
    ] = False,
    renew_anon_volumes: Annotated[
        bool, Flag("-V", "--renew-anon-volumes", help="begin with new anonymous volumes")
    ] = False,
    no_deps: NoDeps = False,
    no_start: Annotated[bool, Flag("--no-start", help="create and do not start")] = False,
    remove_orphans: RemoveOrphans = None,
    scale: Scale = (),
    timeout: Timeout = None,
    wait: Wait = False,
    wait_timeout: WaitTimeout = 0,
    yes: Yes = False,
    explain: Annotated[
        bool, Flag("--explain", help="print what would be done and why, do nothing")
    ] = False,
    menu: Annotated[bool, Flag("--menu", help="no effect: there is no menu of keys")] = False,
    watch: Annotated[bool, Flag("-w", "--watch", help="follow changes of the sources")] = False,
) -> int:
    remove, ignore = orphans(context, remove_orphans)
    options = UpOptions(
        services=services,
        detach=detach or wait,
        abort_on_container_exit=abort_on_container_exit
        or bool(exit_code_from and not abort_on_container_failure),
        abort_on_container_failure=abort_on_container_failure,
        exit_code_from=exit_code_from,
        attach=attach,
        no_attach=no_attach,
        attach_dependencies=attach_dependencies,
        timestamps=timestamps,
        build=build,
        pull=parse_pull(pull),
        quiet_pull=quiet_pull,
        force_recreate=force_recreate,
        no_recreate=no_recreate,
        always_recreate_deps=always_recreate_deps,
        renew_anon_volumes=renew_anon_volumes,
        no_deps=no_deps,
        no_start=no_start,
        remove_orphans=remove,
        ignore_orphans=ignore,
        scale=parse_scale(scale),
        timeout=seconds(timeout),
        wait=wait,
        wait_timeout=seconds(wait_timeout) or None,
        yes=yes,
    )
    check_pairs(options, no_build=no_build, watch=watch)
    with context.open_stack() as stack:
        if explain:
            context.show_warnings(stack)
            context.console.out.lines(stack.explain(options).splitlines())
            return 0
        remote_stack.confirm(context, stack, yes=yes)
        is_detached = options.detach or no_start
        with context.display(
            "up", detached=is_detached, prefix=not no_log_prefix, colour=not no_color, raw=raw
        ) as display:
            return stack.up(options, on_event=display.on_event).exit_code


def check_pairs(options: UpOptions, *, no_build: bool = False, watch: bool = False) -> None:
    """Raises UsageError, in Docker's words and order, for flags that contradict each other."""
    if options.wait_timeout is not None and options.wait_timeout < 0:
        raise UsageError("--wait-timeout must be a non-negative integer")
    if options.abort_on_container_exit and options.abort_on_container_failure:
        raise UsageError(
            "--abort-on-container-failure cannot be combined with --abort-on-container-exit"
        )
    if options.build and no_build:
        raise UsageError("--build and --no-build are incompatible")
    if options.detach and (_attaches(options) or watch):
        flag = "--wait" if options.wait else "--detach"
        raise UsageError(
            f"{flag} cannot be combined with --abort-on-container-exit,"
            " --abort-on-container-failure, --attach, --attach-dependencies or --watch"
        )
    _check_recreation(options)
    if no_build and watch:
        raise UsageError("--no-build and --watch are incompatible")
    if options.attach and options.attach_dependencies:
        raise UsageError("cannot combine --attach and --attach-dependencies")
    if watch:
        raise UsageError("--watch: following the sources is not there yet")


def _attaches(options: UpOptions) -> bool:
    return bool(
        options.attach
        or options.attach_dependencies
        or options.abort_on_container_exit
        or options.abort_on_container_failure
    )


def _check_recreation(options: UpOptions) -> None:
    if not options.no_recreate:
        return
    if options.renew_anon_volumes:
        raise UsageError("--no-recreate and --renew-anon-volumes are incompatible")
    if options.force_recreate:
        raise UsageError("--force-recreate and --no-recreate are incompatible")
    if options.always_recreate_deps:
        raise UsageError("--always-recreate-deps and --no-recreate are incompatible")
