"""Words mean what they mean to Docker (pflag's rules and texts)."""

from typing import Annotated

import pytest

from compose.cli.flags import Argument, Flag, read_signature
from compose.cli.parsing import HelpAsked, UsageError, bind_words, parse


def up(
    context: object,
    services: Annotated[tuple[str, ...], Argument("[SERVICE...]")] = (),
    detach: Annotated[bool, Flag("-d", "--detach")] = False,
    timeout: Annotated[int | None, Flag("-t", "--timeout")] = None,
    scale: Annotated[tuple[str, ...], Flag("--scale")] = (),
    name: Annotated[str, Flag("--name", old={"--title": "--title is deprecated"})] = "",
) -> None: ...


def exec_(
    context: object,
    service: Annotated[str, Argument("SERVICE", minimum=1)],
    words: Annotated[tuple[str, ...], Argument("COMMAND [ARGS...]", minimum=1, rest=True)],
    no_tty: Annotated[bool | None, Flag("-T", "--no-tty")] = None,
    env: Annotated[tuple[str, ...], Flag("-e", "--env")] = (),
) -> None: ...


def values(command, line: str) -> dict[str, object]:
    signature = read_signature(command)
    return bind_words(signature, parse(signature, line.split()))


def refusal(command, line: str) -> str:
    with pytest.raises(UsageError) as caught:
        values(command, line)
    return caught.value.message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {}),
        ("web db", {"services": ("web", "db")}),
        ("-d web", {"detach": True, "services": ("web",)}),
        ("web -d", {"detach": True, "services": ("web",)}),
        ("--detach=false", {"detach": False}),
        ("--detach=T", {"detach": True}),
        ("-d=0", {"detach": False}),
        ("-t5", {"timeout": 5}),
        ("-t 5", {"timeout": 5}),
        ("-t=5", {"timeout": 5}),
        ("-dt 5", {"detach": True, "timeout": 5}),
        ("--timeout 5", {"timeout": 5}),
        ("--timeout=-1", {"timeout": -1}),
        ("--scale a=1 --scale=b=2", {"scale": ("a=1", "b=2")}),
        ("-- -d", {"services": ("-d",)}),
        ("-", {"services": ("-",)}),
        ("--name=", {"name": ""}),
        ("--title x", {"name": "x"}),
    ],
)
def test_words_become_values(line: str, expected: dict[str, object]):
    assert {name: value for name, value in values(up, line).items() if value != ()} == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("web ls -l", {"service": "web", "words": ("ls", "-l")}),
        ("-T web ls -T", {"service": "web", "words": ("ls", "-T"), "no_tty": True}),
        ("-e A=1 -eB web sh", {"service": "web", "words": ("sh",), "env": ("A=1", "B")}),
        ("-- web ls", {"service": "web", "words": ("ls",)}),
        ("web -- ls", {"service": "web", "words": ("--", "ls")}),
    ],
)
def test_behind_the_service_everything_belongs_to_the_inner_command(
    line: str, expected: dict[str, object]
):
    assert values(exec_, line) == expected


@pytest.mark.parametrize(
    ("command", "line", "message"),
    [
        (up, "--bogus", "unknown flag: --bogus"),
        (up, "-x", "unknown shorthand flag: 'x' in -x"),
        (up, "-dx", "unknown shorthand flag: 'x' in -x"),
        (up, "--=1", "bad flag syntax: --=1"),
        (up, "--timeout", "flag needs an argument: --timeout"),
        (up, "-t", "flag needs an argument: 't' in -t"),
        (
            up,
            "-t soon",
            'invalid argument "soon" for "-t, --timeout" flag: "soon" is not a whole number',
        ),
        (
            up,
            "--detach=maybe",
            'invalid argument "maybe" for "-d, --detach" flag: "maybe" is neither true nor false',
        ),
        (exec_, "", "requires at least 2 arg(s), only received 0"),
        (exec_, "web", "requires at least 2 arg(s), only received 1"),
    ],
)
def test_what_cannot_be_understood_is_named_in_dockers_words(command, line: str, message: str):
    assert refusal(command, line) == message


def test_a_value_may_look_like_a_flag():
    assert values(up, "--name -d") == {"name": "-d", "services": ()}


def test_an_old_spelling_is_noted():
    assert parse(read_signature(up), ["--title", "x"]).notes == ["--title is deprecated"]


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_asked_anywhere_among_the_flags(word: str):
    with pytest.raises(HelpAsked):
        parse(read_signature(up), ["web", word])


def test_help_of_the_inner_command_is_its_own():
    assert values(exec_, "web ls --help")["words"] == ("ls", "--help")


def test_a_value_named_help_is_no_question():
    assert values(up, "--name -h")["name"] == "-h"
