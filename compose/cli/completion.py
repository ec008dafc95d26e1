"""What can stand here? The hidden verb `__complete WORD... LAST`, which the scripts of `completion`
call.

One candidate a line, `word<TAB>description`; the last line is Cobra's directive (`:4` no file
names, `:0` file names too). Never fails: a file that cannot be loaded completes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from compose.cli import verbs
from compose.cli.app import root
from compose.cli.context import Context, RootFlags
from compose.cli.flags import FlagParameter, Signature, read_signature
from compose.cli.parsing import HelpAsked, Parsed, UsageError, parse

NO_FILES = ":4"
FILES = ":0"
_FIXED = {
    "--progress": ("auto", "tty", "plain", "json", "quiet"),
    "--ansi": ("never", "always", "auto"),
}


def complete(words: list[str]) -> int:
    """Print the candidates for the last of `words`."""
    try:
        found, directive = candidates(words or [""])
    except Exception:  # a completion that prints errors is worse than none
        found, directive = [], FILES
    sys.stdout.write("".join(f"{line}\\n" for line in [*found, directive]))
    return 0


def candidates(words: list[str]) -> tuple[list[str], str]:
    *before, last = words
    signature = read_signature(root)
    parsed, waiting = _parse(signature, before, stop_at_word=True)
    if waiting:
        return _values(waiting, last, parsed.values)
    if not parsed.words:
        if last.startswith("-"):
            return _flags(signature, last), NO_FILES
        return [*_verbs("", last)], NO_FILES
    return _after_verb(parsed, last)


def _after_verb(parsed: Parsed, last: str) -> tuple[list[str], str]:
    verb, *rest = parsed.words
    group = ""
    if verbs.is_group(verb):
        if not rest:
            return [*_verbs(verb, last)], NO_FILES
        group, verb, rest = verb, rest[0], rest[1:]
    module = verbs.load(verb, group)
    if module is None:
        return [], NO_FILES
    signature = read_signature(module.command)
    inner, waiting = _parse(signature, rest)
    if waiting:
        return _values(waiting, last, parsed.values)
    if last.startswith("-") and not (signature.has_rest and inner.words):
        return _flags(signature, last), NO_FILES
    return _argument(signature, inner, last, parsed.values)


def _parse(
    signature: Signature, words: list[str], *, stop_at_word: bool = False
) -> tuple[Parsed, FlagParameter | None]:
    """What stands before, and the flag that waits for its value."""
    try:
        return parse(signature, words, stop_at_word=stop_at_word), None
    except (UsageError, HelpAsked):
        by_word = {word: one for one in signature.flags for word in one.flag.spellings}
        waiting = by_word.get(words[-1]) if words else None
        return parse(signature, words[:-1], stop_at_word=stop_at_word), waiting


def _verbs(group: str, last: str) -> Iterator[str]:
    for name in verbs.names(group):
        if name.startswith(last):
            yield f"{name}\\t{verbs.summary(name, group)}"


def _flags(signature: Signature, last: str) -> list[str]:
    return [
        f"{one.flag.long}\\t{one.flag.help.splitlines()[0] if one.flag.help else ''}"
        for one in signature.flags
        if not one.flag.hidden and one.flag.long.startswith(last)
    ]


def _values(
    waiting: FlagParameter, last: str, root_values: dict[str, Any]
) -> tuple[list[str], str]:
    flag = waiting.flag
    fixed = flag.choices or _FIXED.get(flag.long, ())
    if fixed:
        return [word for word in fixed if word.startswith(last)], NO_FILES
    names = {"--project-name": _projects, "--profile": _profiles}.get(flag.long)
    if names:
        return [name for name in names(root_values) if name.startswith(last)], NO_FILES
    if flag.metavar == "SERVICE":
        return [name for name in _services(root_values) if name.startswith(last)], NO_FILES
    return [], FILES


def _argument(
    signature: Signature, inner: Parsed, last: str, root_values: dict[str, Any]
) -> tuple[list[str], str]:
    at = min(len(inner.words), len(signature.arguments) - 1)
    if at < 0:
        return [], NO_FILES
    kind = signature.arguments[at].argument.completes
    if kind not in ("services", "scale"):
        return [], FILES
    suffix = "=" if kind == "scale" else ""
    used = {word.partition("=")[0] for word in inner.words}
    names = (name for name in _services(root_values) if name not in used)
    return [f"{name}{suffix}" for name in names if name.startswith(last)], NO_FILES


def _services(root_values: dict[str, Any]) -> list[str]:
    """All of them, those of profiles that are off, too."""
    project = _load(root_values)
    return sorted({*project.services, *project.disabled_services})


def _profiles(root_values: dict[str, Any]) -> list[str]:
    project = _load(root_values)
    services = (*project.services.values(), *project.disabled_services.values())
    return sorted({profile for service in services for profile in service.profiles})


def _load(root_values: dict[str, Any]) -> Any:
    """The Project of the flags that were typed so far; needs no root, since nothing but files is
    read."""
    from compose.cli.environment import promote
    from compose.stack import Stack

    context = Context(root(**root_values))
    promote(context)
    return Stack(context.stack_options()).project


def _projects(root_values: dict[str, Any]) -> list[str]:
    with Context(RootFlags()).open_machine() as machine:
        return [row.project.name for row in machine.ls(all=True)]
