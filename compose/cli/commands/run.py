"""Run a command in a new container of a service."""

from typing import Annotated

from compose.cli import remote_stack
from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import (
    Build,
    Environment,
    NoDeps,
    NoTty,
    Pull,
    QuietPull,
    RemoveOrphans,
    Service,
    User,
    Words,
    WorkingDirectory,
    orphans,
    parse_environment,
    parse_labels,
    parse_pull,
)
from compose.cli.parsing import UsageError


def command(
    context: Context,
    service: Service,
    words: Annotated[Words, Argument("[COMMAND] [ARGS...]", rest=True)] = (),
    detach: Annotated[
        bool, Flag("-d", "--detach", help="run in the background, print the container's name")
    ] = False,
    rm: Annotated[bool, Flag("--rm", help="remove the container when it ends")] = False,
    name: Annotated[str, Flag("--name", help="name of the container")] = "",
    entrypoint: Annotated[
        str | None, Flag("--entrypoint", help="in place of the image's; drops its command")
    ] = None,
    env: Environment = (),
    env_from_file: Annotated[
        Words, Flag("--env-from-file", metavar="FILE", help="set the variables of a file")
    ] = (),
    label: Annotated[
        Words,
        Flag("-l", "--label", metavar="KEY=VALUE", help="add a label", old={"--labels": ""}),
    ] = (),
    cap_add: Annotated[Words, Flag("--cap-add", help="add a capability")] = (),
    cap_drop: Annotated[Words, Flag("--cap-drop", help="drop a capability")] = (),
    user: User = None,
    workdir: WorkingDirectory = None,
    publish: Annotated[Words, Flag("-p", "--publish", help="publish a port")] = (),
    service_ports: Annotated[
        bool, Flag("-P", "--service-ports", help="publish the service's ports")
    ] = False,
    volume: Annotated[
        Words, Flag("-v", "--volume", help="mount a volume or folder", old={"--volumes": ""})
    ] = (),
    use_aliases: Annotated[
        bool, Flag("--use-aliases", help="take the service's names in its networks")
    ] = False,
    no_deps: NoDeps = False,
    no_tty: NoTty = None,
    tty: Annotated[bool | None, Flag("-t", "--tty", hidden=True)] = None,
    interactive: Annotated[
        bool | None, Flag("-i", "--interactive", help="keep stdin open", default="true")
    ] = None,
    pull: Pull = "",
    build: Build = False,
    quiet: Annotated[bool, Flag("-q", "--quiet", help="no progress")] = False,
    quiet_pull: QuietPull = False,
    quiet_build: Annotated[
        bool, Flag("--quiet-build", help="no effect: a build has no output of its own yet")
    ] = False,
    remove_orphans: RemoveOrphans = None,
) -> int:
    from compose.cli import terminal
    from compose.options import RunOptions, Stdio

    if publish and service_ports:
        raise UsageError("--service-ports and --publish are incompatible")
    if tty is not None and no_tty is not None:
        raise UsageError("--tty and --no-tty can't be used together")
    has_stdin = interactive is not False and not detach
    has_tty = not detach and terminal.wanted(tty=tty, no_tty=no_tty, stdin=has_stdin)
    remove, ignore = orphans(context, remove_orphans)
    options = RunOptions(
        service=service,
        command=words,
        entrypoint=None if entrypoint is None else _split(entrypoint),
        environment=parse_environment(env),
        env_files=env_from_file,
        labels=parse_labels(label),
        cap_add=cap_add,
        cap_drop=cap_drop,
        name=name,
        user=user,
        working_dir=workdir,
        publish=publish,
        service_ports=service_ports,
        use_aliases=use_aliases,
        volumes=volume,
        detach=detach,
        remove=rm,
        tty=has_tty or (detach and tty is True),
        interactive=interactive is not False,
        no_deps=no_deps,
        pull=parse_pull(pull),
        quiet_pull=quiet_pull,
        build=build,
        remove_orphans=remove,
        ignore_orphans=ignore,
    )
    stdio = Stdio(stdin=0 if has_stdin else -1)
    with context.open_stack() as stack:
        remote_stack.confirm(context, stack)
        with context.display("run", quiet=quiet) as display:
            done = stack.run(options, stdio=stdio, on_event=display.on_event)
    if detach:
        context.console.out.line(done.container)
    return done.exit_code


def _split(text: str) -> tuple[str, ...]:
    import shlex

    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f'invalid --entrypoint "{text}": {error}') from None
