"""The grammar of `.env`, env_file and label_file, and of `format: raw`. Pure.

Lines of `[export ]KEY[=|:]VALUE`; quoted values may span lines. Source: 16.2 and 16.3 of the
Compose file reference. A bare key at the very end of a file is inherited like any other (the
reference makes it the value of a variable without name: 18.9).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from compose.errors import Fault, InvalidFile
from compose.loading.environment import Variable
from compose.loading.hints import HINTS
from compose.loading.report import MOST_FAULTS
from compose.loading.variables import BadVariable, Lookup, substitute
from compose.position import File, Position

MOST_CHARACTERS = 16 * 1024 * 1024
"""What all values of a file may grow to."""
_CODES = {"format": "E020", "required": "E022", "size": "E023"}

Unset = Callable[[str, Position], None]

_BLANK = " \t\v\f\r\x85\xa0"
_EXPORT = re.compile(r"export[ \t\v\f\r\x85\xa0]+")
_ESCAPE = re.compile(r'\\(?:[abcfnrtv$"\\]|0\d{0,3})')
_ESCAPES = {
    "\\a": "\a",
    "\\b": "\b",
    "\\c": "\\c",
    "\\f": "\f",
    "\\n": "\n",
    "\\r": "\r",
    "\\t": "\t",
    "\\v": "\v",
    "\\$": "$$",
    '\\"': '"',
    "\\\\": "\\",
}


def parse_dotenv(
    file: File, lookup: Lookup, unset: Unset, earlier: Mapping[str, str] | None = None
) -> dict[str, Variable]:
    """The variables of a file. Raises InvalidFile.

    A variable in a value is asked of `lookup`, then of the keys above it, then of `earlier`: the
    files read before.
    """
    return _Parser(file, lookup, unset, earlier or {}).parse()


class _Parser:
    def __init__(
        self, file: File, lookup: Lookup, unset: Unset, earlier: Mapping[str, str]
    ) -> None:
        self.file = file
        self.text = file.text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.outer = lookup
        self.earlier = earlier
        self.unset = unset
        self.found: dict[str, Variable] = {}
        self.at = 0
        self.counted = (0, 1, 0)
        """A place that was asked for, its line, and where that begins: lines are counted once."""
        self.size = 0

    def parse(self) -> dict[str, Variable]:
        faults: list[Fault] = []
        while self._to_statement() and len(faults) < MOST_FAULTS:
            try:
                self._statement()
            except InvalidFile as invalid:
                faults += invalid.faults
                if invalid.code == "E070":  # go on behind the line that holds no variable
                    end = self.text.find("\n", self.at)
                    self.at = len(self.text) if end < 0 else end
                elif invalid.code in ("E071", "E023"):
                    break
        if faults:
            raise InvalidFile(*faults)
        return self.found

    def _to_statement(self) -> bool:
        """Skip blanks, empty lines and comments; False at the end."""
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif not character.isspace():
                return True
            else:
                self.at += 1
        return False

    def _statement(self) -> None:
        exported = _EXPORT.match(self.text, self.at)
        if exported:
            self.at = exported.end()
        start = self.at
        end = self._end_of_key(start)
        key = self.text[start:end].rstrip()
        where = self._position(start)
        if " " in key:
            raise self._refused(f"the name `{key}` holds a blank", start)
        if end == len(self.text) or self.text[end] == "\n":
            self.at = end + 1
            self._inherit(key, where)
            return
        self.at = end + 1
        while self.at < len(self.text) and self.text[self.at] in _BLANK:
            self.at += 1
        self.found[key] = Variable(self._value(), where)

    def _end_of_key(self, start: int) -> int:
        for index in range(start, len(self.text)):
            character = self.text[index]
            if character in "=:\n":
                return index
            if not (character.isalnum() or character in "_.-[]" or character in _BLANK):
                message = f"the character `{character}` cannot stand in a variable's name"
                raise self._refused(message, index)
        return len(self.text)

    def _inherit(self, key: str, where: Position) -> None:
        value = self.outer(key)
        if value is not None:
            self.found[key] = Variable(value, where)

    def _value(self) -> str:
        quote = self.text[self.at : self.at + 1]
        if quote == '"':
            start = self.at
            return self._expand(_unescape(self._quoted(quote)), start)
        if quote == "'":
            return self._quoted(quote)
        return self._unquoted()

    def _unquoted(self) -> str:
        start = self.at
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        self.at = end + 1
        value = self.text[start:end].partition(" #")[0].rstrip()
        return self._expand(value, start)

    def _quoted(self, quote: str) -> str:
        """The text between quotes; a backslash keeps a quote of the same kind inside."""
        start = self.at
        pieces: list[str] = []
        index = start + 1
        while index < len(self.text):
            character = self.text[index]
            following = self.text[index + 1 : index + 2]
            if character == quote:
                self.at = index + 1
                return "".join(pieces)
            if character == "\\" and following:
                pieces.append(following if following == quote else character + following)
                index += 2
                continue
            pieces.append(character)
            index += 1
        raise self._refused(
            "the quoted value is never closed", start, f"close it with {quote}", "E071"
        )

    def _expand(self, value: str, start: int) -> str:
        if "$" not in value:
            return value
        where = self._position(start)
        try:
            value = substitute(value, self._lookup, lambda name: self.unset(name, where))
            self.size += len(value)
            if self.size > MOST_CHARACTERS:
                raise BadVariable("size", "variables make the file too large")
            return value
        except BadVariable as bad:
            code = _CODES[bad.kind]
            hint = "write $$ where a dollar sign is meant"
            if bad.kind == "required":
                hint = "set it in the shell, or in a line above"
            raise InvalidFile(Fault(code, bad.message, where=where, hint=hint)) from None

    def _lookup(self, name: str) -> str | None:
        value = self.outer(name)
        if value is None and name in self.found:
            return self.found[name].value
        return self.earlier.get(name) if value is None else value

    def _position(self, index: int) -> Position:
        last, line, start = self.counted
        if index < last:
            last, line, start = 0, 1, 0
        newlines = self.text.count("\n", last, index)
        if newlines:
            line, start = line + newlines, self.text.rfind("\n", last, index) + 1
        self.counted = (index, line, start)
        return Position(self.file, line, index - start + 1)

    def _refused(self, message: str, index: int, hint: str = "", code: str = "E070") -> InvalidFile:
        hint = hint or HINTS.get(code, "")
        return InvalidFile(Fault(code, message, where=self._position(index), hint=hint))


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(found: re.Match[str]) -> str:
    text = found[0]
    if text.startswith("\\0"):
        return chr(int(text[2:], 8) & 0xFF) if _is_octal(text[2:]) else text
    return _ESCAPES[text]


def _is_octal(digits: str) -> bool:
    return bool(digits) and all(digit in "01234567" for digit in digits)


def parse_raw(file: File, lookup: Lookup) -> dict[str, Variable]:
    """Lines of `KEY=VALUE` without quotes and expansion; a bare key is inherited. Raises
    InvalidFile."""
    found: dict[str, Variable] = {}
    faults: list[Fault] = []
    for number, line in enumerate(file.text.removeprefix("\ufeff").split("\n"), 1):
        line = line.lstrip().removesuffix("\r")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        where = Position(file, number, 1)
        if any(character.isspace() for character in name) or not name:
            message = f"the name `{name}` holds a blank" if name else "a name is missing before `=`"
            faults.append(Fault("E070", message, where=where, hint=HINTS["E070"]))
            continue
        known = value if equals else lookup(name)
        if known is not None:
            found[name] = Variable(known, where)
    if faults:
        raise InvalidFile(*faults[:MOST_FAULTS])
    return found
