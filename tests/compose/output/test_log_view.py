"""Lines of containers, with prefixes, colours, and nothing that steers a terminal."""

import io

import pytest

from compose.output.console import Console
from compose.output.log_view import LogView, make_safe
from compose.scheduling.events import Attaching, ContainerExited, ContainerRecreated, LogOutput


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def stream(*, terminal: bool = False) -> io.TextIOWrapper:
    kind = Terminal if terminal else io.TextIOWrapper
    return kind(io.BytesIO(), encoding="utf-8", write_through=True)


def show(*events, terminal: bool = False, **settings) -> tuple[bytes, bytes]:
    """(stdout, stderr) after the events."""
    target = Console(
        stdout=stream(terminal=terminal),
        stderr=stream(terminal=terminal),
        environment={"TERM": "xterm"},
    )
    with LogView(target, **settings) as view:
        for event in events:
            match event:
                case Attaching():
                    view.attaching(event)
                case LogOutput():
                    view.output(event)
                case ContainerExited():
                    view.exited(event)
                case ContainerRecreated():
                    view.recreated(event)
    return target.out.file.buffer.getvalue(), target.err.file.buffer.getvalue()


def line(name: str, text: bytes, **more) -> LogOutput:
    return LogOutput(name=name, service=name.rpartition("-")[0], text=text, **more)


def test_a_line_has_the_short_name_before_it():
    assert show(line("web-1", b"hello")) == (b"web-1  | hello\n", b"")


def test_stderr_of_a_container_goes_to_our_stderr():
    assert show(line("web-1", b"oops", stream="stderr")) == (b"", b"web-1  | oops\n")


def test_names_are_padded_to_the_longest_that_has_appeared():
    events = (Attaching(names=("db-1", "frontend-1")), line("db-1", b"a"), line("frontend-1", b"b"))
    assert show(*events)[0] == (
        b"Attaching to db-1, frontend-1\ndb-1        | a\nfrontend-1  | b\n"
    )


def test_a_new_longer_name_widens_what_follows():
    assert show(line("a-1", b"x"), line("longer-1", b"y"), line("a-1", b"z"))[0] == (
        b"a-1  | x\nlonger-1  | y\na-1       | z\n"
    )


def test_several_lines_that_came_at_once_each_have_the_prefix():
    assert (
        show(line("web-1", b"one\ntwo\nthree"))[0]
        == b"web-1  | one\nweb-1  | two\nweb-1  | three\n"
    )


def test_without_prefix():
    assert show(line("web-1", b"one\ntwo"), prefix=False)[0] == b"one\ntwo\n"


def test_times_stand_between_prefix_and_text():
    assert (
        show(line("web-1", b"hello", time=0.5))[0]
        == b"web-1  | 1970-01-01T00:00:00.500000000Z hello\n"
    )


def test_the_output_of_a_hook_is_marked():
    assert show(line("web-1", b"migrating", hook=True))[0] == b"web-1 ->  | migrating\n"


def test_ends_and_replacements_are_said_in_the_stream():
    events = (
        ContainerExited(name="web-1", service="web", exit_code=1, restarting=True),
        ContainerExited(name="web-1", service="web", exit_code=0),
        ContainerRecreated(name="web-1", service="web"),
    )
    assert show(*events)[0] == (
        b"web-1 exited with code 1 (restarting)\nweb-1 exited with code 0\nweb-1 has been recreated\n"
    )


def test_colours_go_round_per_container():
    events = [line(f"s{number}-1", b"x") for number in range(11)]
    lines = show(*events, terminal=True)[0].splitlines()
    assert [one.partition(b"m")[0] for one in lines] == [
        f"\x1b[{code}".encode()
        for code in ("36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1", "36")
    ]
    assert lines[0] == b"\x1b[36ms0-1  | \x1b[0mx"


def test_no_colour_when_it_is_not_wished():
    assert show(line("web-1", b"hello"), terminal=True, colour=False)[0] == b"web-1  | hello\n"


def test_a_pipe_gets_the_bytes_as_they_came():
    assert show(line("web-1", b"\x1b]52;c;x\x07\xff\r"))[0] == b"web-1  | \x1b]52;c;x\x07\xff\r\n"


def test_a_terminal_gets_no_clipboard_writes():
    assert show(line("web-1", b"a\x1b]52;c;aGk=\x07b"), terminal=True, colour=False)[0] == (
        b"web-1  | a\\x1b]52;c;aGk=\\x07b\n"
    )


def test_raw_is_raw():
    assert (
        show(line("web-1", b"\x1b[2J"), terminal=True, colour=False, raw=True)[0]
        == b"web-1  | \x1b[2J\n"
    )


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        (b"plain\ttext", b"plain\ttext"),
        (b"\x1b[31mred\x1b[0m", b"\x1b[31mred\x1b[0m\x1b[0m"),
        (b"up\x1b[3A", b"up\\x1b[3A"),
        (b"windows\r", b"windows"),
        (b"windows\r\nlines\r\n", b"windows\nlines\n"),
        (b"10%\r20%", b"10%\\x0d20%"),
        (b"bell\x07 null\x00", b"bell\\x07 null\\x00"),
        ("c1 \x9b2J".encode(), b"c1 \\x9b2J"),
        ("\u202egpj.exe".encode(), b"\\u202egpj.exe"),
        ("naïve ⦿ 日本".encode(), "naïve ⦿ 日本".encode()),
        (b"\xff\xfe broken", b"\xff\xfe broken"),
    ],
)
def test_what_steers_a_terminal_is_spelled_out(text: bytes, safe: bytes):
    assert make_safe(text, keep_colour=True) == safe


def test_without_colour_the_container_has_none_either():
    assert make_safe(b"\x1b[31mred\x1b[0m", keep_colour=False) == b"red"


def test_a_name_cannot_steer_the_terminal():
    assert show(line("web\x1b[2J", b"x"))[0] == "web\ufffd[2J  | x\n".encode()


def test_a_flood_arrives_whole_and_in_order():
    texts = [f"line {number}".encode() for number in range(20_000)]
    shown = show(*(line("web-1", text) for text in texts))[0]
    assert shown == b"".join(b"web-1  | " + text + b"\n" for text in texts)


def test_stdout_and_stderr_keep_their_order_on_the_way_to_one_stream():
    both = stream()
    target = Console(stdout=both, stderr=both, environment={})
    with LogView(target) as view:
        for number in range(50):
            view.output(line("a-1", str(number).encode(), stream=("stdout", "stderr")[number % 2]))
    assert both.buffer.getvalue().split() == [
        word for number in range(50) for word in (b"a-1", b"|", str(number).encode())
    ]


def test_a_reader_that_went_away_ends_the_view():
    class Closed(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            raise BrokenPipeError

    target = Console(
        stdout=io.TextIOWrapper(io.BufferedWriter(Closed())), stderr=stream(), environment={}
    )
    view = LogView(target)

    def flood() -> None:
        while True:
            view.output(line("web-1", b"x"))

    with pytest.raises(BrokenPipeError):
        flood()
