"""A command line as text -> words, as Compose splits it: quotes and backslashes, no shell. Source:
11."""

from __future__ import annotations

_BLANKS = " \t\r\n"
_ENDS = ";&|<>"


class Split:
    """The words, and the operator at which splitting ended (`echo a && b` -> echo a, and `&`)."""

    __slots__ = ("ended_at", "words")

    def __init__(self, words: tuple[str, ...], ended_at: str) -> None:
        self.words = words
        self.ended_at = ended_at


def split_words(text: str) -> Split:
    """Raises ValueError when a quote or a parenthesis does not close."""
    return _Splitter().split(text)


class _Splitter:
    def __init__(self) -> None:
        self.words: list[str] = []
        self.word: list[str] = []
        """Its characters: adding to a text copies it each time."""
        self.begun = False
        self.quote = ""
        """The mark that closes what is open: a quote, a backtick, or `)` of `$(`."""

    def split(self, text: str) -> Split:
        escaped = False
        ended_at = ""
        for character in text:
            if escaped:
                self._take(character)
                escaped = False
            elif character == "\\" and self.quote != "'":
                escaped = True
            elif character in _ENDS and not self.quote:
                ended_at = character
                self._before_operator(character)
                break
            else:
                self._character(character)
        if escaped or self.quote:
            raise ValueError("a quote or backslash is left open")
        self._end_word()
        return Split(tuple(self.words), ended_at)

    def _take(self, character: str) -> None:
        self.word.append(character)
        self.begun = True

    def _before_operator(self, character: str) -> None:
        # `2>` : the number belongs to the operator, not to the words
        if character == ">" and "".join(self.word[:1]).isdigit():
            self.word, self.begun = [], False

    def _end_word(self) -> None:
        if self.begun:
            self.words.append("".join(self.word))
        self.word, self.begun = [], False

    def _character(self, character: str) -> None:
        if character in _BLANKS and not self.quote:
            self._end_word()
        elif character in "\"'" and self.quote in ("", character):
            self.quote = "" if self.quote else character
            self.begun = True
        elif character == "`" and self.quote in ("", "`"):
            self.quote = "" if self.quote else "`"
            self._take(character)
        elif character in "()" and self.quote in ("", ")"):
            self._parenthesis(character)
        else:
            self._take(character)

    def _parenthesis(self, character: str) -> None:
        if character == "(":
            if self.quote or self.word[-1:] != ["$"]:
                raise ValueError("a parenthesis needs quotes")
            self.quote = ")"
        else:
            self.quote = "" if self.quote else ")"
        self._take(character)
