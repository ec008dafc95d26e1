"""How a command is called, as text: the usage line, `--help`, and what follows an error of usage.
Pure."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from compose.cli.flags import Flag, FlagParameter, Signature, read_signature

PROGRAM = "pycompose"
_METAVARS = {"switch": "", "number": "int", "text": "string", "list": "stringArray"}


def usage_line(verb: str, signature: Signature) -> str:
    """`pycompose exec [OPTIONS] SERVICE COMMAND [ARGS...]`."""
    flags = ["[OPTIONS]"] if any(not one.flag.hidden for one in signature.flags) else []
    words = [parameter.argument.usage for parameter in signature.arguments]
    if not verb:
        return " ".join([PROGRAM, *flags, "COMMAND"])
    return " ".join([PROGRAM, verb, *flags, *words])


def error_text(verb: str, signature: Signature, message: str, hint: str = "") -> str:
    """An error of usage: Docker's words, then how the command is called."""
    path = f"{PROGRAM} {verb}".strip()
    parts = [message]
    if hint:
        parts.append(f"hint: {hint}")
    parts.append(f"\nUsage:  {usage_line(verb, signature)}\n")
    parts.append(f"Run '{path} --help' for more information")
    return "\n".join(parts)


def command_help(verb: str, module: ModuleType, root: Callable[..., Any]) -> str:
    """The text of `pycompose VERB --help`; flags of every command (`--dry-run`) stand among its
    own."""
    signature = read_signature(module.command)
    text = (module.__doc__ or "").strip()
    everywhere = [one for one in read_signature(root).flags if one.flag.long == "--dry-run"]
    lines = [f"Usage:  {usage_line(verb, signature)}", "", text]
    lines += ["", "Options:", *_flag_lines([*signature.flags, *everywhere])]
    return "\n".join(lines)


def group_help(group: str, text: str, commands: list[tuple[str, str]]) -> str:
    """The text of `pycompose network --help`: name and summary of each command."""
    lines = [f"Usage:  {PROGRAM} {group} COMMAND", "", text, "", "Commands:"]
    lines += _command_lines(commands)
    lines += ["", f"Run '{PROGRAM} {group} COMMAND --help' for more information on a command"]
    return "\n".join(lines)


def root_help(text: str, commands: list[tuple[str, str]], root: Callable[..., Any]) -> str:
    """The text of `pycompose --help`."""
    lines = [f"Usage:  {PROGRAM} [OPTIONS] COMMAND", "", text, "", "Options:"]
    lines += _flag_lines(read_signature(root).flags)
    lines += ["", "Commands:", *_command_lines(commands)]
    lines += ["", f"Run '{PROGRAM} COMMAND --help' for more information on a command"]
    return "\n".join(lines)


def _command_lines(commands: list[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in commands), default=0)
    return [f"  {name:<{width}}  {text}" for name, text in sorted(commands)]


def _flag_lines(parameters: list[FlagParameter] | tuple[FlagParameter, ...]) -> Iterator[str]:
    shown = sorted(
        (one for one in parameters if not one.flag.hidden), key=lambda one: one.flag.long
    )
    heads = [_flag_head(one) for one in shown]
    width = max((len(head) for head in heads), default=0)
    for head, one in zip(heads, shown, strict=True):
        first, *more = _flag_text(one.flag).split("\n")
        yield f"  {head:<{width}}   {first}".rstrip()
        yield from (f"  {'':<{width}}   {line}" for line in more)


def _flag_head(parameter: FlagParameter) -> str:
    flag = parameter.flag
    metavar = flag.metavar or _METAVARS[parameter.kind]
    short = f"{flag.short}, " if flag.short else "    "
    return f"{short}{flag.long} {metavar}".rstrip()


def _flag_text(flag: Flag) -> str:
    choices = f" ({'|'.join(flag.choices)})" if flag.choices else ""
    default = f" (default {flag.default})" if flag.default else ""
    return f"{flag.help}{choices}{default}"
