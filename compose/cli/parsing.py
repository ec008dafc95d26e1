"""What do these words mean under that signature? Pure.

The rules and the error texts are pflag's, since people know them from Docker: `--flag=false`,
`-t5`, `-t=5`, `-dT`, `--` ends the flags, a lone `-` is a word. A command with a `rest` argument
takes no flag behind its first word.
"""

from typing import Any, NoReturn

from compose.cli.flags import FlagParameter, Signature

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


class UsageError(Exception):
    """The command line cannot be understood. `flag` is the unknown one, for a suggestion."""

    def __init__(self, message: str, *, flag: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.flag = flag


class HelpAsked(Exception):
    """`-h` or `--help` stands among the flags."""


class Parsed:
    """`values` has what was given, by parameter; `words` the positional ones; `notes` what to say
    to the user."""

    __slots__ = ("notes", "values", "words")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.words: list[str] = []
        self.notes: list[str] = []


def parse(signature: Signature, words: list[str], *, stop_at_word: bool = False) -> Parsed:
    """Flags and positional words. `stop_at_word`: the first positional word ends the flags (the
    root's verb)."""
    return _Reader(signature, words, stop_at_word or signature.has_rest).read()


def bind_words(signature: Signature, parsed: Parsed) -> dict[str, Any]:
    """All values with the positional words in their parameters. Raises UsageError for too few or
    too many."""
    words, count = parsed.words, len(parsed.words)
    if count < signature.minimum:
        raise UsageError(f"requires at least {signature.minimum} arg(s), only received {count}")
    if signature.maximum is not None and count > signature.maximum:
        raise UsageError(f"accepts at most {signature.maximum} arg(s), received {count}")
    values = dict(parsed.values)
    for at, (name, _, many) in enumerate(signature.arguments):
        if many:
            values[name] = tuple(words[at:])
        elif at < count:
            values[name] = words[at]
    return values


class _Reader:
    def __init__(self, signature: Signature, words: list[str], stop_at_word: bool) -> None:
        self.by_word = {
            spelling: parameter
            for parameter in signature.flags
            for spelling in (*parameter.flag.spellings, *parameter.flag.old)
        }
        self.left = list(reversed(words))
        self.stop_at_word = stop_at_word
        self.parsed = Parsed()

    def read(self) -> Parsed:
        while self.left:
            word = self.left.pop()
            if word == "--":
                self.take_all_as_words()
            elif word.startswith("--"):
                self.read_long(word)
            elif word.startswith("-") and word != "-":
                self.read_short(word)
            else:
                self.parsed.words.append(word)
                if self.stop_at_word:
                    self.take_all_as_words()
        return self.parsed

    def take_all_as_words(self) -> None:
        self.parsed.words.extend(reversed(self.left))
        self.left.clear()

    def read_long(self, word: str) -> None:
        name, equals, value = word.partition("=")
        if name == "--":
            raise UsageError(f"bad flag syntax: {word}")
        parameter = self.by_word.get(name)
        if parameter is None:
            self.refuse(name, f"unknown flag: {name}")
        if note := parameter.flag.old.get(name):
            self.parsed.notes.append(note)
        if equals:
            self.set(parameter, value)
        elif parameter.kind == "switch":
            self.set(parameter, "true")
        else:
            self.set(parameter, self.take_value(f"flag needs an argument: {name}"))

    def read_short(self, word: str) -> None:
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            parameter = self.by_word.get(f"-{letter}")
            if parameter is None:
                self.refuse(
                    f"-{letter}", f"unknown shorthand flag: '{letter}' in -{letter}{letters}"
                )
            if letters.startswith("="):
                self.set(parameter, letters[1:])
                return
            if parameter.kind == "switch":
                self.set(parameter, "true")
                continue
            missing = f"flag needs an argument: '{letter}' in -{letter}"
            self.set(parameter, letters or self.take_value(missing))
            return

    def refuse(self, name: str, message: str) -> NoReturn:
        if name in ("-h", "--help"):
            raise HelpAsked
        raise UsageError(message, flag=name)

    def take_value(self, message: str) -> str:
        if not self.left:
            raise UsageError(message)
        return self.left.pop()

    def set(self, parameter: FlagParameter, text: str) -> None:
        value = _convert(parameter, text)
        if parameter.kind == "list":
            value = (*self.parsed.values.get(parameter.name, ()), text)
        self.parsed.values[parameter.name] = value


def _convert(parameter: FlagParameter, text: str) -> Any:
    try:
        if parameter.kind == "switch":
            return _parse_switch(text)
        if parameter.kind == "number":
            return _parse_number(text)
    except ValueError as error:
        named = parameter.flag.named
        raise UsageError(f'invalid argument "{text}" for "{named}" flag: {error}') from None
    return text


def _parse_switch(text: str) -> bool:
    if text not in (*_TRUE, *_FALSE):
        raise ValueError(f'"{text}" is neither true nor false')
    return text in _TRUE


def _parse_number(text: str) -> int:
    try:
        return int(text, 10)
    except ValueError:
        raise ValueError(f'"{text}" is not a whole number') from None
