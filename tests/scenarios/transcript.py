"""What `steps.txt` of a scenario says: commands, and what can be observed of each. Pure.

    # a comment
    $ pycompose up -d --wait            a command of sh, run to its end in the scenario's folder
    [3]                                 its exit code, when not 0
    web running                         its whole output (stdout), line by line
    ! error E209: ...                   its whole stderr; without such lines stderr is not looked at
    & logs pycompose logs -f            a command that goes on, under a name
    ? logs web-1  | ready               wait until a line of its output (both streams) says that
    % logs INT                          send it a signal
    = logs                              wait for its end; exit code and whole output follow as for `$`

In expected lines `<...>` stands for any text, and a line `...` for any number of lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["run", "begin", "await", "signal", "end"]


@dataclass
class Step:
    """One command or wait, and what it must come to."""

    kind: Kind
    text: str
    """The command; of `await` the line to wait for, of `signal` the signal's name."""
    line: int
    name: str = ""
    exit_code: int = 0
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


_HEADS: dict[str, Kind] = {"$": "run", "&": "begin", "?": "await", "%": "signal", "=": "end"}


def parse(text: str) -> list[Step]:
    """The steps in order. Raises ValueError for a line that belongs to none."""
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        head, _, rest = line.partition(" ")
        if head == "#" or not line:
            continue
        if head in _HEADS:
            steps.append(_step(_HEADS[head], rest, number))
        elif not steps:
            raise ValueError(f"line {number} stands before the first command")
        elif found := re.fullmatch(r"\[(\d+)\]", line):
            steps[-1].exit_code = int(found[1])
        elif head == "!":
            steps[-1].errors.append(rest)
        else:
            steps[-1].output.append(line)
    return steps


def _step(kind: Kind, rest: str, number: int) -> Step:
    if kind == "run":
        return Step(kind, rest, number)
    name, _, text = rest.partition(" ")
    return Step(kind, text, number, name=name)


def matches(expected: list[str], output: str) -> bool:
    """Whether the output is what was expected, as a whole."""
    parts = ["(?:.*\n)*?" if line == "..." else _pattern(line) + "\n" for line in expected]
    whole = output if output.endswith("\n") or not output else output + "\n"
    return re.fullmatch("".join(parts), whole) is not None


def holds(expected: str, output: str) -> bool:
    """Whether one line of the output is that."""
    return re.search(f"^{_pattern(expected)}$", output, re.MULTILINE) is not None


def _pattern(line: str) -> str:
    """Blanks at the end do not count: no editor keeps them."""
    return ".*".join(re.escape(part) for part in line.rstrip().split("<...>")) + r"[ \r]*"
