"""The container's process: command, environment, user, folder, terminal, rlimits.

What it may do is security.py's. Names of users and groups stay text: the init looks them up in the
container's own files (D34). Source: D33, L01, L50, L62 and Docker's way of merging image and
options.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runtime.containers.spec.context import HostFacts, SpecContext, refuse
from runtime.linux.signals import parse_signal
from runtime.spec import Process, Rlimit, User
from runtime.values import ContainerOptions, ExecOptions, ImageConfig, Ulimit

ULIMITS = (
    *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile"),
    *("nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
)
_MAX_ID = 2**31 - 1


def build_process(
    options: ContainerOptions, image: ImageConfig, context: SpecContext, *, hostname: str
) -> tuple[Process, list[str]]:
    """Without the rights, which security.py adds. Raises RuntimeFault."""
    warnings: list[str] = []
    process = Process(
        terminal=options.tty,
        user=_user(options, image),
        args=_arguments(options, image),
        env=_environment(options, image, context, hostname, warnings),
        cwd=_working_dir(options, image),
    )
    if rlimits := _rlimits(options.ulimits, context.host, warnings):
        process["rlimits"] = rlimits
    if (score := _oom_score(options, context.host)) is not None:
        process["oomScoreAdj"] = score
    if options.init:
        _add_reaper(process, options, warnings)
    return process, warnings


def check_stop_signal(name: str) -> None:
    """A container whose signal is none could not be stopped later. An image's word is no reason to
    refuse: SIGTERM takes its place then, as in Docker."""
    try:
        parse_signal(name or "SIGTERM")
    except ValueError:
        raise refuse(
            f"`stop_signal: {name}` is no signal", code="E341", hint="`kill -l` lists them"
        ) from None


def _arguments(options: ContainerOptions, image: ImageConfig) -> list[str]:
    """An entrypoint of the options' own puts the image's command out of force with the
    image's entrypoint.
    """
    if options.entrypoint is None:
        command = image.command if options.command is None else options.command
        arguments = [*image.entrypoint, *command]
    else:
        arguments = [*options.entrypoint, *(options.command or ())]
    if not arguments:
        raise refuse(
            "no command specified",
            code="E310",
            answered=f"neither the service nor the image `{options.image}` says what to run",
            hint="set `command`",
        )
    return [_clean(argument, "command") for argument in arguments]


def _environment(
    options: ContainerOptions,
    image: ImageConfig,
    context: SpecContext,
    hostname: str,
    warnings: list[str],
) -> list[str]:
    """D33: the engine's few, then the image's, then the options', each replacing its key
    where it stood.
    """
    pairs = dict(entry.split("=", 1) for entry in context.defaults.get("environment", ()))
    if hostname:
        pairs["HOSTNAME"] = hostname
    if options.tty:
        pairs["TERM"] = "xterm"
    for entry in image.environment:
        name, equals, value = entry.partition("=")
        if name and equals:
            pairs[name] = value
        else:
            # V33: elsewhere such an entry has drawn in the variable of the engine's own environment
            warnings.append(
                "the image has an environment entry that is no NAME=VALUE: it is left out"
            )
    _replace(pairs, options.environment)
    return [_clean(f"{name}={value}", "environment") for name, value in pairs.items()]


def _replace(pairs: dict[str, str], wanted: Mapping[str, str | None]) -> None:
    for name, value in wanted.items():
        if not name or "=" in name:
            raise refuse(f"`{name}` cannot be the name of an environment variable", code="E310")
        if value is None:
            pairs.pop(name, None)
        else:
            pairs[name] = value


def _clean(text: str, attribute: str) -> str:
    if "\0" in text:
        raise refuse(
            f"`{attribute}` holds a NUL character, which no process can be given", code="E310"
        )
    return text


def _user(options: ContainerOptions, image: ImageConfig) -> User:
    # Root is looked up too: it has further groups in many images (D34).
    user = User(username=check_user(options.user or image.user or "0"))
    if options.group_add:
        user["additionalGroups"] = [check_id(group, "group_add") for group in options.group_add]
    if options.umask is not None:
        user["umask"] = options.umask
    return user


def check_user(text: str) -> str:
    """`name`, `1000`, `name:group`. V31: a number that is too large is an error, never a
    name or a wrap.
    """
    for part in text.split(":", 1):
        check_id(part, "user")
    return text


def check_id(text: str, attribute: str) -> str:
    number = text[1:] if text[:1] in "+-" else text
    if number.isdigit() and (text != number or int(number) > _MAX_ID):
        raise refuse(
            f"`{attribute}: {text}` is out of range",
            code="E310",
            hint=f"ids go from 0 to {_MAX_ID}",
        )
    return _clean(text, attribute)


def _working_dir(options: ContainerOptions, image: ImageConfig) -> str:
    if options.working_dir:
        if not options.working_dir.startswith("/"):
            raise refuse(
                f"`working_dir: {options.working_dir}` is not an absolute path", code="E310"
            )
        return _clean(options.working_dir, "working_dir")
    return "/" + _clean(image.working_dir, "working_dir").lstrip("/")


def _rlimits(ulimits: Iterable[Ulimit], host: HostFacts, warnings: list[str]) -> list[Rlimit]:
    return [_rlimit(ulimit, host, warnings) for ulimit in ulimits]


def _rlimit(ulimit: Ulimit, host: HostFacts, warnings: list[str]) -> Rlimit:
    if ulimit.name not in ULIMITS:
        raise refuse(
            f"`ulimits.{ulimit.name}` is no resource limit",
            code="E310",
            hint=f"known: {', '.join(ULIMITS)}",
        )
    if min(ulimit.soft, ulimit.hard) < -1:
        raise refuse(
            f"`ulimits.{ulimit.name}`: {min(ulimit.soft, ulimit.hard)} is no limit",
            code="E310",
            hint="-1 is unlimited",
        )
    if _exceeds(ulimit.soft, ulimit.hard):
        raise refuse(
            f"`ulimits.{ulimit.name}`: soft {ulimit.soft} is above hard {ulimit.hard}",
            code="E310",
        )
    soft, hard = ulimit.soft, ulimit.hard
    own = host.hard_limits.get(ulimit.name, -1)
    # Section 0: without this capability raising answers EPERM; the container then has what the
    # engine has.
    if _exceeds(hard, own) and "CAP_SYS_RESOURCE" not in host.held_capabilities:
        warnings.append(
            f"`ulimits.{ulimit.name}`: the engine lacks CAP_SYS_RESOURCE,"
            f" so the hard limit stays at {own}"
        )
        hard, soft = own, own if _exceeds(soft, own) else soft
    return Rlimit(type=f"RLIMIT_{ulimit.name.upper()}", soft=soft, hard=hard)


def _exceeds(one: int, other: int) -> bool:
    """-1 is unlimited."""
    return other != -1 and (one == -1 or one > other)


def _oom_score(options: ContainerOptions, host: HostFacts) -> int | None:
    asked = options.oom_score_adj
    if asked is None:
        # An engine that is protected from the OOM killer must not pass that on.
        return 0 if host.oom_score_adj < 0 else None
    if not -1000 <= asked <= 1000:
        raise refuse(
            f"`oom_score_adj: {asked}` is out of range",
            code="E310",
            hint="it goes from -1000 to 1000",
        )
    return asked


def _add_reaper(process: Process, options: ContainerOptions, warnings: list[str]) -> None:
    """L62: only PID 1 of its own pid namespace inherits orphans."""
    if options.pid not in ("", "private"):
        warnings.append("`init` has no effect without a pid namespace of its own")
        return
    process["reaper"] = True


def build_exec(process: Process, options: ExecOptions, host: HostFacts) -> Process:
    """A further process beside the container's own: its environment, user and folder unless
    said otherwise (E05).
    """
    if not options.command:
        raise refuse("no command specified", code="E310")
    pairs = dict(entry.split("=", 1) for entry in process.get("env", ()))
    if options.tty:
        pairs.setdefault("TERM", "xterm")
    pairs.update(options.environment)
    made = Process(
        terminal=options.tty,
        user=_exec_user(process, options),
        args=[_clean(argument, "command") for argument in options.command],
        env=[_clean(f"{name}={value}", "environment") for name, value in pairs.items()],
        cwd=options.working_dir or process["cwd"],
        noNewPrivileges=process.get("noNewPrivileges", False),
    )
    capabilities = process.get("capabilities")
    if options.privileged:
        every = [name for name in host.known_capabilities if name in host.held_capabilities]
        made["capabilities"] = {"bounding": every, "effective": every, "permitted": every}
    elif capabilities is not None:
        made["capabilities"] = capabilities
    if "rlimits" in process:
        made["rlimits"] = process["rlimits"]
    if "oomScoreAdj" in process:
        made["oomScoreAdj"] = process["oomScoreAdj"]
    return made


def _exec_user(process: Process, options: ExecOptions) -> User:
    user = process["user"].copy()
    if options.user:
        user["username"] = check_user(options.user)
    return user
