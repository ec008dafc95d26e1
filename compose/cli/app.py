"""argv -> root flags -> Context -> the command's module, imported now -> exit code.

A command is a file below commands/ with a function `command`, whose parameters are its flags
(flags.py) and whose module docstring is its help. Whatever it raises becomes text and an exit code
in failure.py. Nothing heavy is imported here: a whole `ps` has 100 ms.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType, ModuleType
from typing import Annotated, NoReturn

from compose import exit_codes
from compose.cli import verbs
from compose.cli.context import Context, Doors, RootFlags
from compose.cli.failure import report
from compose.cli.flags import Flag, Signature, read_signature
from compose.cli.parsing import HelpAsked, Parsed, UsageError, bind_words, parse

Paths = tuple[str, ...]


def root(
    files: Annotated[
        Paths, Flag("-f", "--file", help="Compose files; later ones win, - is stdin")
    ] = (),
    project_name: Annotated[str, Flag("-p", "--project-name", help="name of the project")] = "",
    profiles: Annotated[Paths, Flag("--profile", help="profiles to enable, * for all")] = (),
    env_files: Annotated[Paths, Flag("--env-file", help="read these in place of .env")] = (),
    project_directory: Annotated[
        str,
        Flag(
            "--project-directory", help="base of relative paths\n(default: the first file's folder)"
        ),
    ] = "",
    parallel: Annotated[
        int | None, Flag("--parallel", help="actions at once, -1: no limit")
    ] = None,
    progress: Annotated[
        str,
        Flag(
            "--progress",
            help="form of the progress",
            choices=("auto", "tty", "plain", "json", "quiet"),
        ),
    ] = "",
    ansi: Annotated[
        str, Flag("--ansi", help="colour and cursor movement", choices=("never", "always", "auto"))
    ] = "",
    compatibility: Annotated[
        bool, Flag("--compatibility", help="separate the parts of names with _")
    ] = False,
    dry_run: Annotated[bool, Flag("--dry-run", help="say what would be done, do nothing")] = False,
    all_resources: Annotated[
        bool, Flag("--all-resources", help="keep resources that no service uses")
    ] = False,
    debug: Annotated[bool, Flag("-D", "--debug", help="show tracebacks and timings")] = False,
    version: Annotated[bool, Flag("-v", "--version", hidden=True)] = False,
    work_directory: Annotated[str, Flag("--workdir", hidden=True)] = "",
    no_ansi: Annotated[bool, Flag("--no-ansi", hidden=True)] = False,
    verbose: Annotated[bool, Flag("--verbose", hidden=True)] = False,
    insecure_registries: Annotated[Paths, Flag("--insecure-registry", hidden=True)] = (),
    host: Annotated[str, Flag("-H", "--host", hidden=True)] = "",
    docker_context: Annotated[str, Flag("-c", "--context", hidden=True)] = "",
    log_level: Annotated[str, Flag("-l", "--log-level", hidden=True)] = "",
    tls: Annotated[bool, Flag("--tls", hidden=True)] = False,
    tls_verify: Annotated[bool, Flag("--tlsverify", hidden=True)] = False,
    tls_files: Annotated[Paths, Flag("--tlscacert", "--tlscert", "--tlskey", hidden=True)] = (),
) -> RootFlags:
    """Runs Compose files with nothing else installed: no Docker, no daemon."""
    if no_ansi and ansi not in ("", "auto", "never"):
        raise UsageError(
            'cannot specify DEPRECATED "--no-ansi" and "--ansi". Please use only "--ansi"'
        )
    if work_directory and project_directory:
        raise UsageError(
            'cannot specify DEPRECATED "--workdir" and "--project-directory".'
            ' Please use only "--project-directory" instead'
        )
    return RootFlags(
        files=files,
        project_name=project_name,
        profiles=profiles,
        env_files=env_files,
        project_directory=project_directory or work_directory,
        parallel=parallel,
        progress=progress,
        ansi="never" if no_ansi else ansi,
        compatibility=compatibility,
        dry_run=dry_run,
        all_resources=all_resources,
        debug=debug or verbose,
    )


STARTING = ("restart", "run", "start", "up")
"""Verbs that need a keeper, whatever the files say."""
EVERYWHERE = ("dry_run", "debug")
"""Root flags that may also stand behind the verb."""


def run(words: list[str], *, program: str = "pycompose", doors: Doors | None = None) -> int:
    """The whole command; returns the exit code of the process."""
    call = _Call(words, program, doors)
    try:
        code = call.run()
        sys.stdout.flush()
        return code
    except BaseException as error:
        return report(error, call.context)


class _Call:
    """One command line on its way to its command."""

    def __init__(self, words: list[str], program: str, doors: Doors | None) -> None:
        self.words = words
        self.doors = doors
        self.program = program
        self.context: Context | None = None

    def run(self) -> int:
        signature = read_signature(root)
        try:
            parsed = parse(signature, self.words, stop_at_word=True)
            flags = root(**parsed.values)
        except HelpAsked:
            return show_root_help()
        except UsageError as error:
            refuse("", signature, error)
        if parsed.values.get("version"):
            return self.call("version", [], flags)
        if not parsed.words:
            return show_root_help()
        verb, *rest = parsed.words
        return self.call(verb, rest, flags)

    def call(self, verb: str, words: list[str], flags: RootFlags) -> int:
        if verb == "__complete":
            from compose.cli.completion import complete

            return complete(words)
        if verbs.is_group(verb):
            return self.call_group(verb, words, flags)
        module = verbs.load(verb)
        if module is None:
            refuse_verb(verb)
        return self.call_module(module, verb, words, flags)

    def call_group(self, group: str, words: list[str], flags: RootFlags) -> int:
        if not words or words[0] in ("-h", "--help"):
            return show_group_help(group)
        module = verbs.load(words[0], group)
        if module is None:
            refuse_verb(words[0], group)
        return self.call_module(module, f"{group} {words[0]}", words[1:], flags)

    def call_module(self, module: ModuleType, verb: str, words: list[str], flags: RootFlags) -> int:
        signature = read_signature(module.command)
        try:
            parsed = parse(_with_root_flags(signature), words)
            taken = _take_root_flags(parsed, signature)
            values = bind_words(signature, parsed)
        except HelpAsked:
            return show_help(verb, module)
        except UsageError as error:
            refuse(verb, signature, error)
        self.context = Context(
            flags._replace(
                dry_run=taken.get("dry_run", flags.dry_run), debug=taken.get("debug", flags.debug)
            ),
            verb=verb,
            arguments=tuple(self.words),
            program=self.program,
            doors=self.doors,
        )
        _prepare(self.context, parsed)
        expects_keeper = verb in STARTING and self.doors is None and not values.get("explain")
        with _early_keeper(self.context) if expects_keeper else nullcontext():
            code = module.command(self.context, **values)
        return code if isinstance(code, int) else exit_codes.SUCCESS


@contextmanager
def _early_keeper(context: Context) -> Iterator[None]:
    """Both processors work while the files are read."""
    if context.flags.dry_run or not context.doors.is_root():
        yield
        return
    from runtime import start_keeper
    from runtime.paths import find_paths

    start_keeper.start_early(find_paths(context.environment))
    try:
        yield
    finally:
        start_keeper.dismiss_early()


def _prepare(context: Context, parsed: Parsed) -> None:
    """What holds before any command: variables of .env, notes about old flags, values that no verb
    accepts."""
    from compose.cli.environment import promote

    promote(context)
    for note in parsed.notes:
        context.console.warn(note)
    _ = (context.progress_mode, context.parallel)


def _with_root_flags(signature: Signature) -> Signature:
    own = {one.name for one in signature.flags}
    more = [
        one for one in read_signature(root).flags if one.name in EVERYWHERE and one.name not in own
    ]
    return Signature((*signature.flags, *more), signature.arguments)


def _take_root_flags(parsed: Parsed, signature: Signature) -> dict[str, bool]:
    """The root flags behind the verb, taken out of the command's values."""
    own = {one.name for one in signature.flags}
    return {
        name: parsed.values.pop(name)
        for name in EVERYWHERE
        if name in parsed.values and name not in own
    }


# ---- help, and what cannot be understood ----


def show_root_help() -> int:
    from compose.cli import help_pages

    commands = [(name, verbs.summary(name)) for name in verbs.names()]
    help_pages.show_root((root.__doc__ or "").rstrip("."), commands, root)
    return exit_codes.SUCCESS


def show_group_help(group: str) -> int:
    from compose.cli import help_pages

    commands = [(name, verbs.summary(name, group)) for name in verbs.names(group)]
    help_pages.show_group(group, verbs.summary(group), commands)
    return exit_codes.SUCCESS


def show_help_of(words: Sequence[str]) -> int:
    """The help of a verb, of a group, or of a verb of a group. Raises UsageError."""
    verb, *rest = words
    if verbs.is_group(verb):
        if not rest:
            return show_group_help(verb)
        group, verb = verb, rest[0]
        module = verbs.load(verb, group)
        if module is None:
            refuse_verb(verb, group)
        return show_help(f"{group} {verb}", module)
    module = verbs.load(verb)
    if module is None:
        refuse_verb(verb)
    return show_help(verb, module)


def show_help(verb: str, module: ModuleType) -> int:
    from compose.cli import help_pages

    help_pages.show_command(verb, module, root)
    return exit_codes.SUCCESS


def refuse(verb: str, signature: Signature, error: UsageError) -> NoReturn:
    """Raise the error again with the nearest flag and the usage line."""
    from compose.cli import usage
    from compose.errors import nearest

    hint = ""
    if error.flag:
        spellings = {
            word for one in _with_root_flags(signature).flags for word in one.flag.spellings
        }
        at_root = {word for one in read_signature(root).flags for word in one.flag.spellings}
        if verb and error.flag in at_root:
            hint = f"`{error.flag}` stands before the verb: pycompose {error.flag} ... {verb}"
        elif found := nearest(error.flag, (word for word in spellings if word.startswith("--"))):
            hint = f"did you mean `{found}`?"
    raise UsageError(usage.error_text(verb, signature, error.message, hint)) from None


def refuse_verb(verb: str, group: str = "") -> NoReturn:
    from compose.errors import nearest
    from compose.position import printable

    path = " ".join(part for part in ("pycompose", group) if part)
    if not group and verb in verbs.NOT_YET:
        hint = verbs.NOT_YET[verb]
        raise UsageError(
            f"`{verb}` of Docker Compose is not there in this version"
            + (f"\nhint: {hint}" if hint else "")
        )
    found = nearest(verb, verbs.names(group))
    lines = [f'unknown command "{printable(verb)}" for "{path}"']
    if found:
        lines.append(f"hint: did you mean `{found}`?")
    lines.append(f"\nRun 'pycompose {group + ' ' if group else ''}--help' for the list of commands")
    raise UsageError("\n".join(lines))


def stop_at_signals() -> None:
    """SIGTERM ends a command as Ctrl-C does: with its clean-up, and 130."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def find_program(name: str) -> str:
    """The absolute path under which the program was called, for the `sudo` line."""
    return os.path.abspath(name) if os.path.exists(name) else "pycompose"
