"""An error -> the text that a person reads: message, place with excerpt and caret, what was tried,
what to do.

The plain text is `str(fault)`'s; here the same lines get colour, and the errors of the engine the
same shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from compose.errors import ComposeError, Fault, path_text, without_step
from compose.output.console import Stream
from compose.position import printable
from runtime.errors import RuntimeFault


def render(error: ComposeError | RuntimeFault, stream: Stream) -> str:
    """The whole report, without a newline at its end."""
    if isinstance(error, RuntimeFault):
        return "\n".join(_runtime_lines(error, stream))
    *others, last = error.faults
    blocks = ["\n".join(_fault_lines(fault, stream)) for fault in others]
    blocks.append("\n".join(_fault_lines(last, stream, details=error.details)))
    return "\n\n".join(blocks)


def render_warning(fault: Fault, stream: Stream) -> str:
    """A fault that does not end the command."""
    return "\n".join(_fault_lines(fault, stream, word="warning", style="bold yellow"))


def render_json(message: str, error: BaseException | None = None) -> str:
    """The final error of `--progress json`; what is known beside the message has its own keys."""
    fields: dict[str, Any] = {"error": True, "message": message}
    for name in ("code", "hint", "tried", "answered"):
        if value := getattr(error, name, ""):
            fields[name] = value
    if details := getattr(error, "details", ()):
        fields["details"] = list(details)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _fault_lines(
    fault: Fault,
    stream: Stream,
    *,
    details: Iterable[str] = (),
    word: str = "error",
    style: str = "bold red",
) -> Iterator[str]:
    place = f"{stream.paint(str(fault.where), 'bold')}: " if fault.where else ""
    yield f"{place}{stream.paint(f'{word} {fault.code}:', style)} {_safe(fault.message)}"
    excerpt = fault.where.excerpt if fault.where else None
    if excerpt:
        line, _, caret = str(excerpt).partition("\n")
        yield line
        yield stream.paint(caret, "red")
    if fault.path:
        yield f"   at {path_text(fault.path)}"
    for words, position in fault.trail:
        yield f"   {words} {position}"
    yield from map(_safe, details)
    yield from _hint_lines(fault.hint, stream)


def _runtime_lines(error: RuntimeFault, stream: Stream) -> Iterator[str]:
    yield f"{stream.paint(f'error {error.code}:', 'bold red')} {_safe(error.message)}"
    if error.tried:
        yield f"tried:    {_safe(without_step(error.tried))}"
    if error.answered:
        yield f"answered: {_safe(error.answered)}"
    yield from _hint_lines(error.hint, stream)


def _hint_lines(hint: str, stream: Stream) -> Iterator[str]:
    if hint:
        yield f"{stream.paint('hint:', 'cyan')} {_safe(hint)}"


def _safe(text: str) -> str:
    # V46: a name from a file or an image must not steer the terminal
    return "\n".join(printable(line) for line in text.split("\n"))
