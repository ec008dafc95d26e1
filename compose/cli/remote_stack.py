"""What `up` and `run` say and ask before they act on files of somewhere else.

The author of such files chooses the variables that are put into them, so their values are shown
first. Source: Docker Compose's checks for a remote stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compose.cli.context import Context
    from compose.stack import Stack


def names_remote(file: str) -> bool:
    """Whether `-f` names something elsewhere; costs nothing for a path."""
    if ":" not in file and not file.startswith("github.com/"):
        return False
    from compose.loading.remote_names import is_remote

    return is_remote(file)


def confirm(context: Context, stack: Stack, *, yes: bool = False) -> None:
    """Nothing for files of this machine. Raises ComposeError when the answer is no."""
    first = next(iter(context.flags.files), "")
    if not names_remote(first):
        return
    folder = stack.project.working_dir
    from compose.loading.remote_names import shown_address

    if context.progress_mode not in ("quiet", "json"):
        context.console.say(f'Your compose stack "{shown_address(first)}" is stored in "{folder}"')
    if yes or context.flags.dry_run:
        return
    included = [name for name in stack.fetched if name not in context.flags.files]
    if included:
        context.console.say("\nWarning: This Compose project includes files from remote sources:")
        for name in included:
            context.console.say(f"  - {shown_address(name)}")
        context.console.say("\nThey may be malicious. Make sure that you trust their source.")
        _ask(context, "Do you want to continue?", default=False)
    lines = list(_variables(stack))
    if len(lines) > 1:
        context.console.say("\nFound the following variables in configuration:")
        for line in lines:
            context.console.say(line)
        _ask(context, "\nDo you want to proceed with these variables?", default=True)


def _ask(context: Context, question: str, *, default: bool) -> None:
    from compose.errors import ComposeError

    if not context.console.confirm(question, default=default):
        raise ComposeError(
            "operation cancelled by user",
            code="E217",
            hint="`-y` answers yes; `config` shows what would be done",
        )


def _variables(stack: Stack) -> Iterator[str]:
    """The table of what is put into the files, a line each."""
    from compose.output.columns import align
    from compose.output.listings import variables

    environment = stack.project.environment
    rows = [("VARIABLE", "VALUE", "SOURCE", "REQUIRED", "DEFAULT")]
    for one in variables(stack.written()):
        value, source = "<unset>", "none"
        if one.name in environment:
            value, source = environment[one.name], "environment"
        elif one.default:
            value, source = one.default, "compose file"
        rows.append((one.name, value, source, "yes" if one.required else "no", one.default))
    yield from align(rows, minimum=0, padding=3)
