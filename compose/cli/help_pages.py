"""`--help` and `help VERB`, as typer writes them: wrapped to the width, coloured on a terminal.

The one module that imports typer. It shows what flags.py declares; what words mean is parsing.py's,
since Docker's grammar of flags is pflag's and every command would pay 35 ms for the import.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Literal

from typer import core
from typer.core import TyperCommand, TyperGroup, TyperOption

from compose.cli import usage
from compose.cli.flags import FlagParameter, read_signature

_METAVARS = {"number": "INT", "text": "TEXT", "list": "TEXT..."}
WIDEST = 100


def show_root(text: str, commands: Sequence[tuple[str, str]], root: Callable[..., Any]) -> None:
    """The page of `pycompose --help`."""
    flags = read_signature(root).flags
    _show(_Group(usage.PROGRAM, text, commands, flags, usage.usage_line("", read_signature(root))))


def show_group(group: str, text: str, commands: Sequence[tuple[str, str]]) -> None:
    """The page of `pycompose network --help`: name and summary of each command."""
    _show(_Group(group, text, commands, (), f"{usage.PROGRAM} {group} COMMAND"))


def show_command(verb: str, module: ModuleType, root: Callable[..., Any]) -> None:
    """The page of `pycompose VERB --help`; flags of every command (`--dry-run`) are among its
    own."""
    signature = read_signature(module.command)
    everywhere = [one for one in read_signature(root).flags if one.flag.long == "--dry-run"]
    flags = (*signature.flags, *everywhere)
    _show(_Command(verb, module.__doc__ or "", flags, usage.usage_line(verb, signature)))


class _Command(TyperCommand):
    """A page, not something that runs."""

    def __init__(
        self, name: str, text: str, flags: Sequence[FlagParameter], usage_line: str
    ) -> None:
        super().__init__(
            name,
            help=text.strip(),
            params=_options(flags),
            add_help_option=False,
            rich_markup_mode=_mode(),
        )
        self._usage_line = usage_line

    def get_usage(self, ctx: Any) -> str:
        return f"Usage: {self._usage_line}"

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        formatter.write_usage(*self._usage_line.split(" ", 1))


class _Group(TyperGroup):
    def __init__(
        self,
        name: str,
        text: str,
        commands: Sequence[tuple[str, str]],
        flags: Sequence[FlagParameter],
        usage_line: str,
    ) -> None:
        super().__init__(
            name=name,
            help=text,
            params=_options(flags),
            add_help_option=False,
            rich_markup_mode=_mode(),
            commands={verb: _Summary(verb, summary) for verb, summary in sorted(commands)},
            epilog=f"`{usage_line.replace(' [OPTIONS]', '')} --help` tells more about a command",
        )
        self._usage_line = usage_line

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands)

    def get_usage(self, ctx: Any) -> str:
        return f"Usage: {self._usage_line}"

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        formatter.write_usage(*self._usage_line.split(" ", 1))


class _Summary(TyperCommand):
    def __init__(self, name: str, summary: str) -> None:
        super().__init__(name, help=summary, short_help=summary, rich_markup_mode=_mode())


def _options(flags: Sequence[FlagParameter]) -> list[Any]:
    shown = [one for one in flags if not one.flag.hidden]
    return [_option(one) for one in sorted(shown, key=lambda one: one.flag.long)]


def _option(parameter: FlagParameter) -> TyperOption:
    flag = parameter.flag
    is_switch = parameter.kind == "switch"
    choices = f" ({'|'.join(flag.choices)})" if flag.choices else ""
    default = f" (default {flag.default})" if flag.default else ""
    text = " ".join(f"{flag.help}{choices}{default}".split())
    return TyperOption(
        param_decls=[parameter.name, *flag.spellings],
        help=text,
        is_flag=is_switch,
        default=False if is_switch else None,
        metavar=None if is_switch else flag.metavar or _METAVARS[parameter.kind],
        show_default=False,
    )


def _mode() -> Literal["rich", None]:
    """Boxes and colours are for people: on a terminal that wants them."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return "rich" if core.HAS_RICH and sys.stdout.isatty() and not plain else None


def _show(page: TyperCommand | TyperGroup) -> None:
    with page.make_context(page.name, [], resilient_parsing=True) as context:
        # click itself never goes below 50 columns
        context.terminal_width = min(shutil.get_terminal_size().columns, WIDEST)
        if page.rich_markup_mode is None:
            sys.stdout.write(f"{page.get_help(context)}\n")
        else:
            page.get_help(context)
