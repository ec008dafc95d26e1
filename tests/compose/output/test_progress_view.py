"""The four forms of progress, as whole texts."""

import io
import json

import pytest

from compose.errors import Fault
from compose.output.console import Console
from compose.output.progress_view import LiveView, open_view
from compose.scheduling.events import Message, ResourceEvent, Warned

CREATING = ResourceEvent(id="Container shop-web-1", text="Creating")
CREATED = ResourceEvent(id="Container shop-web-1", text="Created", status="Done")
STARTING = ResourceEvent(id="Container shop-web-1", text="Starting")
LAYER = ResourceEvent(id="aa", parent_id="Image nginx", text="Downloading", current=5, total=10)


def console() -> Console:
    return Console(stdout=io.StringIO(), stderr=io.StringIO(), environment={})


def show(mode: str, *events, **settings) -> tuple[str, str]:
    """(stdout, stderr) after the events."""
    target = console()
    with open_view(mode, target, operation="up", **settings) as view:
        for event in events:
            match event:
                case Message():
                    view.message(event)
                case Warned():
                    view.warned(event)
                case _:
                    view.resource(event)
    return target.out.file.getvalue(), target.err.file.getvalue()


def test_plain_is_a_line_per_step():
    assert show("plain", CREATING, CREATED) == (
        "",
        " Container shop-web-1 Creating \n Container shop-web-1 Created \n",
    )


def test_plain_says_the_same_step_once():
    assert show("plain", CREATING, CREATING)[1] == " Container shop-web-1 Creating \n"


def test_plain_leaves_the_layers_out():
    assert show("plain", LAYER) == ("", "")


def test_plain_shows_details():
    event = ResourceEvent(
        id="Network a", text="Resource is still in use", status="Warning", details="by b"
    )
    assert show("plain", event)[1] == " Network a Resource is still in use by b\n"


def test_plain_dry_run_has_its_prefix():
    assert (
        show("plain", CREATED, dry_run=True)[1]
        == " DRY-RUN MODE -  Container shop-web-1 Created \n"
    )


def test_json_is_an_object_per_step_without_empty_keys():
    assert show("json", CREATED, LAYER)[1].splitlines() == [
        '{"id":"Container shop-web-1","status":"Done","text":"Created"}',
        '{"id":"aa","parent_id":"Image nginx","status":"Working","text":"Downloading",'
        '"current":5,"total":10,"percent":50}',
    ]


def test_json_says_dry_run():
    assert json.loads(show("json", CREATED, dry_run=True)[1])["dry-run"] is True


def test_quiet_shows_errors_alone():
    events = (
        CREATED,
        Message(text="orphans", level="warning"),
        Message(text="lost", level="error"),
    )
    assert show("quiet", *events) == ("", "error: lost\n")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message(text="hello"), "hello\n"),
        (Message(text="orphans", level="warning"), "warning: orphans\n"),
        (
            Message(text="Aborting on container exit...", stack_wide=True),
            "Aborting on container exit...\n",
        ),
    ],
)
def test_messages_stand_between_the_steps(message: Message, text: str):
    assert show("plain", message)[1] == text


def test_what_concerns_the_stack_goes_to_stdout_when_that_is_wished():
    message = Message(text="Gracefully Stopping...", stack_wide=True)
    assert show("plain", message, status_to_stdout=True) == ("Gracefully Stopping...\n", "")


def test_a_warning_about_a_file_is_a_diagnostic():
    fault = Fault("W012", "`version` is obsolete", hint="remove it")
    assert (
        show("plain", Warned(fault=fault))[1]
        == "warning W012: `version` is obsolete\nhint: remove it\n"
    )
    assert json.loads(show("json", Warned(fault=fault))[1])["level"] == "warning"


# ---- live ----


def live(target: Console, **settings) -> LiveView:
    return LiveView(target.err, target.err, operation="up", clock=lambda: 0.0, **settings)


def test_the_live_block_is_drawn_over_itself():
    target = console()
    view = live(target)
    view.block.take(CREATING, 0.0)
    view.draw()
    view.block.take(CREATED, 0.0)
    view.draw()
    assert target.err.file.getvalue().replace(" " * 30, "~") == (
        "\x1b[?25l\r[+] up 0/1\x1b[K\n ⠋ Container shop-web-1  Creating~"
        + " " * 13
        + "0.0s\x1b[K\n\x1b[J\x1b[?25h"
        "\x1b[?25l\x1b[2A\r[+] up 1/1\x1b[K\n ✔ Container shop-web-1  Created~"
        + " " * 14
        + "0.0s\x1b[K\n\x1b[J\x1b[?25h"
    )


def test_something_beside_stands_above_the_block():
    target = console()
    view = live(target)
    view.block.take(CREATED, 0.0)
    view.draw()
    view.beside(lambda: target.err.line("LINE"))
    text = target.err.file.getvalue()
    assert "\x1b[2A\r\x1b[JLINE\n\x1b[?25l\r[+] up 1/1" in text


def test_a_settled_block_stays_and_the_next_begins_anew():
    target = console()
    view = live(target)
    view.block.take(CREATED, 0.0)
    view.settle()
    view.block.take(STARTING, 0.0)
    view.draw()
    assert "\x1b[2A" not in target.err.file.getvalue()


def test_an_attached_up_hides_starting_and_started():
    target = console()
    with open_view("tty", target, operation="up", detached=False) as view:
        view.resource(STARTING)
    assert target.err.file.getvalue() == ""


def test_leaving_the_view_draws_the_last_state():
    target = console()
    with open_view("tty", target, operation="up") as view:
        view.resource(CREATED)
    assert "✔ Container shop-web-1  Created" in target.err.file.getvalue()


def test_beside_the_lines_of_containers_a_block_that_is_over_is_left_and_not_redrawn():
    target = console()
    view = live(target)
    view.resource(CREATED)
    view.settle()  # the log begins
    view.resource(ResourceEvent(id="Container shop-db-1", text="Waiting"))
    assert not view.block.is_empty
    view.resource(ResourceEvent(id="Container shop-db-1", text="Healthy", status="Done"))
    assert view.block.is_empty
    assert "✔ Container shop-db-1  Healthy" in target.err.file.getvalue()
    view.__exit__()


def test_json_says_what_is_waited_for():
    waiting = ResourceEvent(
        id="Container shop-db-1", text="Waiting", waiting_for="healthy, for web"
    )
    assert json.loads(show("json", waiting)[1])["waiting_for"] == "healthy, for web"


def test_a_recreation_says_what_changed():
    recreate = ResourceEvent(
        id="Container shop-web-1", text="Recreate", reason="environment.DEBUG changed"
    )
    recreated = ResourceEvent(id="Container shop-web-1", text="Recreated", status="Done")
    assert show("plain", recreate, recreated)[1] == (
        " Container shop-web-1 Recreate environment.DEBUG changed\n"
        " Container shop-web-1 Recreated \n"
    )
    assert "Recreated environment.DEBUG changed" in show("tty", recreate, recreated)[1]
