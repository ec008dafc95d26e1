"""What holds for every verb: the root's flags, the environment, and the doors to what a command
calls.

A command gets one Context. It opens a Stack (verbs of a project) or a Machine (verbs without one)
through it, and with it the check that the caller is root: `config`, `version` and `help` open
neither.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from compose.cli.parsing import UsageError
from compose.output.console import Ansi, Console

if TYPE_CHECKING:  # heavy at run time, and most verbs need one of them
    from compose.dry_machine import Tell
    from compose.machine import Machine
    from compose.options import StackOptions
    from compose.output.display import Display
    from compose.scheduling.events import ResourceEvent
    from compose.stack import Stack

_MODES = ("auto", "tty", "plain", "json", "quiet", "none")
_ANSI = ("auto", "never", "always")
_TRUE = ("1", "t", "true", "y", "yes")


class RootFlags(NamedTuple):
    """The flags before the verb, as given."""

    files: tuple[str, ...] = ()
    project_name: str = ""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    project_directory: str = ""
    parallel: int | None = None
    progress: str = ""
    ansi: str = ""
    compatibility: bool = False
    dry_run: bool = False
    all_resources: bool = False
    debug: bool = False


class Doors:
    """What a command reaches through its Context. Tests put others in their place."""

    unit_folder = "/etc/systemd/system"

    def is_root(self) -> bool:
        return os.geteuid() == 0

    def stack(self, options: StackOptions) -> Stack:
        from compose.stack import Stack

        return Stack(options)

    def machine(self, environment: Mapping[str, str]) -> Machine:
        from compose.machine import Machine

        return Machine(environment=environment)

    def dry_machine(self, tell: Tell, environment: Mapping[str, str]) -> Machine:
        from compose.dry_machine import DryMachine

        return DryMachine(tell, environment=environment)


class Context:
    """One call of the program."""

    def __init__(
        self,
        flags: RootFlags,
        *,
        verb: str = "",
        arguments: tuple[str, ...] = (),
        program: str = "pycompose",
        environment: Mapping[str, str] | None = None,
        doors: Doors | None = None,
    ) -> None:
        self.flags = flags
        self.doors = doors or Doors()
        self.verb = verb
        self.arguments = arguments
        """All words after the program's name, for the `sudo` line."""
        self.program = program
        self.environment = dict(os.environ if environment is None else environment)
        self.promoted: tuple[str, ...] = ()
        """Names of the COMPOSE_* variables that came from a .env file."""
        self.console = Console(ansi=self.ansi, environment=self.environment)

    # ---- settings: flag, then shell, then .env, then default ----

    def setting(self, name: str, default: str = "") -> str:
        return self.environment.get(name, default)

    def switch(self, name: str, *, default: bool = False) -> bool:
        """A variable as Docker Compose reads booleans: 1, t, true and y; all else is no."""
        value = self.environment.get(name)
        return default if value is None else value.strip().lower() in _TRUE

    def docker_setting(self, name: str) -> str:
        """A text of the Docker client's config.json (`psFormat`), or "" when there is none."""
        folder = self.setting("DOCKER_CONFIG") or os.path.join(self.setting("HOME"), ".docker")
        path = os.path.join(folder, "config.json")
        if not os.path.isfile(path):
            return ""
        import json

        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file).get(name, "")
        except (OSError, ValueError, AttributeError):
            return ""
        return found if isinstance(found, str) else ""

    @property
    def ansi(self) -> Ansi:
        found = self.flags.ansi or self.setting("COMPOSE_ANSI") or "auto"
        if found not in _ANSI:
            raise UsageError(f'unsupported --ansi value "{found}"')
        return found  # type: ignore[return-value]

    @property
    def progress_mode(self) -> str:
        """tty, plain, json or quiet: what `auto` means here is decided."""
        found = (
            self.flags.progress
            or self.setting("COMPOSE_PROGRESS")
            or self.setting("BUILDKIT_PROGRESS")
            or "auto"
        )
        if found not in _MODES:
            raise UsageError(f'unsupported --progress value "{found}"')
        if found == "tty" and self.ansi == "never":
            raise UsageError("can't use --progress tty while ANSI support is disabled")
        if found == "plain" and self.ansi == "always":
            raise UsageError("can't use --progress plain while ANSI support is forced")
        if found == "auto":
            return "tty" if self.console.err.can_move else "plain"
        return "quiet" if found == "none" else found

    @property
    def parallel(self) -> int:
        """How many actions may run at once; -1: no limit."""
        if self.flags.parallel is not None:
            return self.flags.parallel
        found = self.setting("COMPOSE_PARALLEL_LIMIT")
        try:
            return int(found) if found else -1
        except ValueError:
            raise UsageError(
                f'COMPOSE_PARALLEL_LIMIT must be an integer (found: "{found}")'
            ) from None

    # ---- doors ----

    def stack_options(self) -> StackOptions:
        """What names the project, for Stack and for the loader."""
        from compose.options import StackOptions

        flags = self.flags
        env_files = flags.env_files or tuple(
            name for name in self.setting("COMPOSE_ENV_FILES").split(",") if name
        )
        return StackOptions(
            files=flags.files,
            project_name=flags.project_name,
            profiles=flags.profiles,
            env_files=tuple(os.path.abspath(os.path.expanduser(name)) for name in env_files),
            project_directory=flags.project_directory,
            parallel=self.parallel,
            dry_run=flags.dry_run,
            all_resources=flags.all_resources,
            compatibility=flags.compatibility or self.switch("COMPOSE_COMPATIBILITY"),
            environment=self.environment,
        )

    def open_stack(self) -> Stack:
        """The project that the flags, the variables and the folder name. Raises ComposeError
        without root."""
        self.require_root()
        return self.doors.stack(self.stack_options())

    def open_machine(self, *, needs_root: bool = True) -> Machine:
        """What exists on this machine whatever the project. Raises ComposeError without root, where
        that is needed."""
        if needs_root:
            self.require_root()
        if self.flags.dry_run:
            return self.doors.dry_machine(self.tell_dry, self.environment)
        return self.doors.machine(self.environment)

    def would(self, thing: str, doing: str, done: str) -> None:
        """Says what `--dry-run` does not do, outside of any Stack or Machine."""
        from compose.scheduling.events import ResourceEvent

        self.tell_dry(ResourceEvent(id=thing, text=doing))
        self.tell_dry(ResourceEvent(id=thing, text=done, status="Done"))

    def tell_dry(self, event: ResourceEvent) -> None:
        """A line of what `--dry-run` does not do, outside of any display."""
        from compose.output.progress_view import open_view

        mode = self.progress_mode if self.progress_mode in ("json", "quiet") else "plain"
        open_view(mode, self.console, operation="", dry_run=True).resource(event)

    def display(
        self,
        operation: str,
        *,
        detached: bool = True,
        prefix: bool = True,
        colour: bool = True,
        raw: bool = False,
        quiet: bool = False,
    ) -> Display:
        """Where the events of a verb go; `operation` is the word of the progress's header ("up",
        "stop")."""
        from compose.output.display import Display
        from compose.output.log_view import LogView
        from compose.output.progress_view import open_view

        progress = open_view(
            "quiet" if quiet else self.progress_mode,
            self.console,
            operation=operation,
            detached=detached,
            dry_run=self.flags.dry_run,
            status_to_stdout=self.switch("COMPOSE_STATUS_STDOUT"),
        )
        logs = LogView(self.console, prefix=prefix, colour=colour, raw=raw, beside=progress.beside)
        return Display(progress, logs, attached=not detached)

    def show_warnings(self, stack: Stack) -> None:
        """What loading had to say about the files, before anything is done."""
        for fault in stack.warnings:
            from compose.output.diagnostics import render_warning

            self.console.say(render_warning(fault, self.console.err))

    def is_wanted(self, warning: str, *, force: bool) -> bool:
        """Asks whoever may do it whether it is meant. Raises ComposeError for others."""
        self.require_root()
        question = f"WARNING! {warning}\nAre you sure you want to continue?"
        return force or self.flags.dry_run or self.console.confirm(question)

    def require_root(self) -> None:
        """Raises ComposeError with the line to type when the caller is not root."""
        if self.doors.is_root():
            return
        from compose.errors import ComposeError

        raise ComposeError(
            f"`{self.verb or 'this'}` needs root, whose the containers are",
            code="E701",
            hint=f"{self.sudo_line}",
        )

    @property
    def sudo_line(self) -> str:
        """The same call as root. Variables are named, not shown: their values may be secret."""
        import shlex

        kept = ("COMPOSE_", "PYCOMPOSE_", "DOCKER_")
        names = sorted(
            name for name in self.environment if name.startswith(kept) and name not in self.promoted
        )
        keep = [f"--preserve-env={','.join(names)}"] if names else []
        return shlex.join(["sudo", *keep, self.program, *self.arguments])
