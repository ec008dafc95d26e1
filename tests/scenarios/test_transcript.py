"""The runner of the scenarios itself: what it takes as right, and what not."""

import pytest

from tests.scenarios.transcript import holds, matches, parse


def test_a_step_has_its_command_its_output_and_its_errors():
    steps = parse(
        "# of no account\n"
        "$ pycompose ps\n"
        "[3]\n"
        "web running\n"
        "! error E202: no\n"
        "\n"
        "& logs pycompose logs -f\n"
        "? logs web-1  | up\n"
        "% logs INT\n"
        "= logs\n"
        "[130]\n"
        "web-1  | up\n"
    )
    assert [(step.kind, step.name, step.text) for step in steps] == [
        ("run", "", "pycompose ps"),
        ("begin", "logs", "pycompose logs -f"),
        ("await", "logs", "web-1  | up"),
        ("signal", "logs", "INT"),
        ("end", "logs", ""),
    ]
    assert (steps[0].exit_code, steps[0].output, steps[0].errors) == (
        3,
        ["web running"],
        ["error E202: no"],
    )
    assert (steps[4].exit_code, steps[4].output) == (130, ["web-1  | up"])


def test_a_line_before_the_first_command_is_an_error():
    with pytest.raises(ValueError, match="line 1 stands before the first command"):
        parse("web running\n")


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        (["a", "b"], "a\nb\n"),
        (["a"], "a"),
        ([], ""),
        (["id <...> end"], "id 1234 5 end\n"),
        (["a", "...", "c"], "a\nb\nb\nc\n"),
        (["a", "...", "c"], "a\nc\n"),
        ([" Created "], " Created \n"),
        (["a.b [x]"], "a.b [x]\n"),
    ],
)
def test_what_is_right(expected, output):
    assert matches(expected, output)


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        (["a"], "a\nb\n"),
        (["a", "b"], "a\n"),
        ([], "a\n"),
        (["a.b"], "axb\n"),
        (["<...>"], "a\nb\n"),
        (["...", "c"], "a\n"),
        (["a"], " a\n"),
    ],
)
def test_what_is_wrong(expected, output):
    assert not matches(expected, output)


def test_a_line_that_is_waited_for_is_a_whole_line():
    assert holds("web-1  | up", "db-1  | x\nweb-1  | up\n")
    assert not holds("web-1  | up", "web-1  | upwards\n")
