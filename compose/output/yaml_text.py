"""Plain values -> YAML text as Docker prints it: indent of two, quotes only where they are needed.

The rules of quoting are libyaml's analysis of a scalar, those of sorting go-yaml's. Source: 17.4 of
the Compose file reference. Values are dict, list, str, int, float, bool and None.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from compose.loading.scalars import resolve_plain
from compose.model.units import print_float

_LONGEST_KEY = 128
"""YAML readers look no further than 1024 characters for the `:` of a key; go-yaml gives up here."""
_OLD_WORDS = {"y", "yes", "on", "n", "no", "off"}
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[Tt ].*)?")
# what is special, not what is not: compiling a class of half of Unicode takes 6 ms
_SPECIAL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff\U00010000-\U0010ffff]"
)
_BYTE = re.compile("[\udc80-\udcff]")
"""One that is not UTF-8: what a `!!binary` may hold."""
_FIRST = re.compile(r"[#,\[\]{}&*!|>'\"%@`]|[?:-](?:[\s]|$)")
_INSIDE = re.compile(r":(?:\s|$)|\s#")
_ESCAPES = {
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    '"': '\\"',
    "\\": "\\\\",
    "\x85": "\\N",
    "\xa0": "\\_",
    "\u2028": "\\L",
    "\u2029": "\\P",
    "\ufeff": "\\uFEFF",
}


class Noted(NamedTuple):
    """A value without children, and what is said about it in a comment."""

    value: Any
    note: str


def to_yaml(value: Mapping[str, Any]) -> str:
    """The whole document, with a newline at its end."""
    if not value:
        return "{}\n"
    lines: list[str] = []
    _block(value, 0, lines)
    lines.append("")
    return "\n".join(lines)


def _block(value: Any, indent: int, lines: list[str]) -> None:
    """Add the lines of a mapping or list that is not empty."""
    blank = " " * indent
    if isinstance(value, Mapping):
        for name, child in value.items():
            key = scalar(str(name))
            if len(key) > _LONGEST_KEY:
                lines.append(f"{blank}? {key}")
                key = ""
            _entry(f"{blank}{key}:", child, indent, lines)
    else:
        for item in value:
            _item(blank, item, indent, lines)


def _entry(head: str, child: Any, indent: int, lines: list[str]) -> None:
    if _has_children(child):
        lines.append(head)
        _block(child, indent + 2, lines)
    else:
        _leaf(head, child, indent + 2, lines)


def _item(blank: str, item: Any, indent: int, lines: list[str]) -> None:
    if _has_children(item):
        first = len(lines)
        _block(item, indent + 2, lines)
        lines[first] = f"{blank}- {lines[first][indent + 2 :]}"
    else:
        _leaf(f"{blank}-", item, indent + 2, lines)


def _has_children(value: Any) -> bool:
    if value.__class__ is str or not value:
        return False
    return isinstance(value, Mapping | list | tuple) and value.__class__ is not Noted


def _leaf(head: str, value: Any, indent: int, lines: list[str]) -> None:
    comment = ""
    if isinstance(value, Noted):
        value, comment = value.value, f"  # {value.note}"
    if isinstance(value, str) and "\n" in value and _fits_literal(value):
        text = value.split("\n")
        lines.append(f"{head} |{_hints(value)}{comment}")
        if text[-1] == "":
            text.pop()
        lines += [f"{' ' * indent}{line}" if line else "" for line in text]
    else:
        lines.append(f"{head} {_inline(value)}{comment}")


def _inline(value: Any) -> str:
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return print_float(value, large=21) if isinstance(value, float) else str(value)


@functools.lru_cache(4096)  # keys and many values come again in each service
def scalar(text: str) -> str:
    """Text on one line: plain, 'quoted' or "quoted"; bytes that are no text as `!!binary`."""
    if _BYTE.search(text):
        from base64 import b64encode

        return f"!!binary {b64encode(text.encode('utf-8', 'surrogateescape')).decode()}"
    if "\n" in text or _SPECIAL.search(text) or _reads_as_other(text):
        return _double(text)
    if _is_plain(text):
        return text
    return "'" + text.replace("'", "''") + "'"


def _reads_as_other(text: str) -> bool:
    """Whether YAML (1.1 or 1.2) would take it for something else than text."""
    if not isinstance(resolve_plain(text), str) or text == "<<":
        return True
    if text.lower() in _OLD_WORDS and text in (text.lower(), text.upper(), text.capitalize()):
        return True
    return bool(_SEXAGESIMAL.fullmatch(text) or _DATE.fullmatch(text))


def _is_plain(text: str) -> bool:
    if text != text.strip(" ") or text.startswith(("---", "...")):
        return False
    return not _FIRST.match(text) and not _INSIDE.search(text)


def _double(text: str) -> str:
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if not _SPECIAL.match(character):
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _fits_literal(text: str) -> bool:
    """A block cannot show blanks before a line's end, nor special characters."""
    if _SPECIAL.search(text.replace("\t", "")) or " \n" in text:
        return False
    return not text.endswith(" ")


def _hints(text: str) -> str:
    indentation = "2" if text[0] in " \n" else ""
    if not text.endswith("\n"):
        return f"{indentation}-"
    return f"{indentation}+" if text.endswith("\n\n") or text == "\n" else indentation


# ---- order of keys
# ---------------------------------------------------------------------------------------


def natural(names: Any) -> list[str]:
    """Names in go-yaml's order: b9 before b10, and what is no letter before letters."""
    return sorted(names, key=functools.cmp_to_key(_compare))


def _compare(a: str, b: str) -> int:
    digits = False
    for index in range(min(len(a), len(b))):
        if a[index] != b[index]:
            return _compare_at(a, b, index, digits)
        digits = a[index].isdigit()
    return len(a) - len(b)


def _compare_at(a: str, b: str, index: int, digits: bool) -> int:
    letters = (a[index].isalpha(), b[index].isalpha())
    if all(letters):
        return -1 if a[index] < b[index] else 1
    if any(letters):
        first = letters[0] if digits else letters[1]
        return -1 if first else 1
    numbers = [_run(text, index, a[:index]) for text in (a, b)]
    if numbers[0] != numbers[1]:
        return -1 if numbers[0] < numbers[1] else 1
    return -1 if a[index] < b[index] else 1


def _run(text: str, index: int, before: str) -> tuple[int, int]:
    """The number that begins at `index`, and its length; one digit in front if zeros would hide
    it."""
    found = re.match(r"\d*", text[index:])
    run = found[0] if found else ""
    led = before[len(before.rstrip("0123456789")) :].strip("0")
    return int(("1" if led else "") + run or "0"), len(run)
