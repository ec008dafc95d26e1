"""The block of live progress, as lines of text."""

from compose.output.live_block import Block
from compose.scheduling.events import ResourceEvent


def plain(text: str, style: str) -> str:
    return text


def marked(text: str, style: str) -> str:
    return f"<{style}:{text}>"


def block(
    *events: tuple[float, ResourceEvent], operation: str = "up", dry_run: bool = False
) -> Block:
    made = Block(operation, dry_run=dry_run)
    for moment, event in events:
        made.take(event, moment)
    return made


def shown(made: Block, *, now: float = 10.0, columns: int = 60, rows: int = 24) -> str:
    return "\n".join(made.lines(now, columns=columns, rows=rows, paint=plain))


def working(name: str, text: str = "Creating", **more: object) -> ResourceEvent:
    return ResourceEvent(id=name, text=text, **more)


def done(name: str, text: str = "Created", status: str = "Done", **more: object) -> ResourceEvent:
    return ResourceEvent(id=name, text=text, status=status, **more)


def test_a_line_per_task_with_mark_state_and_seconds():
    made = block(
        (0.0, working("Network shop_default")),
        (0.0, working("Container shop-web-1")),
        (0.4, done("Network shop_default")),
    )
    assert shown(made) == (
        "[+] up 1/2\n"
        " ✔ Network shop_default  Created                        0.4s\n"
        " ⠋ Container shop-web-1  Creating                      10.0s"
    )


def test_a_waiting_task_says_what_for():
    made = block((0.0, working("Container shop-db-1", "Waiting", waiting_for="healthy, for web")))
    assert shown(made, now=3.2) == (
        "[+] up 0/1\n ⠹ Container shop-db-1  Waiting healthy, for web        3.2s"
    )


def test_warnings_and_errors_have_their_marks():
    made = block(
        (0.0, done("Container a", "Skipped", "Warning", details="optional")),
        (0.0, done("Container b", "Error", "Error", details="no such image")),
    )
    assert shown(made) == (
        "[+] up 2/2\n"
        " ! Container a  Skipped optional                        0.0s\n"
        " ✘ Container b  Error no such image                     0.0s"
    )


def test_marks_and_states_have_colour_and_names_none():
    made = block((0.0, done("Container a", "Started")))
    assert made.lines(0.0, columns=40, rows=24, paint=marked)[1] == (
        " <green:✔> Container a  <green:Started>             <blue:0.0s>"
    )


def test_a_task_that_begins_again_goes_on_counting():
    made = block(
        (0.0, working("Container a")),
        (1.0, done("Container a")),
        (2.0, working("Container a", "Starting")),
    )
    assert shown(made, now=5.0, columns=40).splitlines()[1].endswith(" 5.0s")


def test_forty_columns_cut_details_first():
    made = block((0.0, working("Container shop-db-1", "Waiting", waiting_for="healthy, for web")))
    assert (
        shown(made, now=3.2, columns=40).splitlines()[1]
        == " ⠹ Container shop-db-1  Waiting     3.2s"
    )


def test_forty_columns_shorten_the_middle_of_long_names():
    made = block((0.0, working("Container a-very-long-project-name-frontend-1", "Creating")))
    line = shown(made, now=1.0, columns=40).splitlines()[1]
    assert line == " ⠋ Contain…ame-frontend-1  Creating 1.0s"


def test_no_line_is_wider_than_the_terminal():
    made = block(
        (
            0.0,
            working(
                "Container a-very-long-project-name-frontend-1", "Waiting", waiting_for="x" * 50
            ),
        ),
        (0.0, done("Network " + "n" * 90)),
    )
    for columns in range(20, 130, 3):
        for line in shown(made, now=123.4, columns=columns).splitlines():
            assert len(line) <= columns, (columns, line)


def test_what_runs_is_shown_before_what_is_done_when_rows_are_few():
    events = [(0.0, done(f"Container c{number}")) for number in range(8)]
    made = block(*events, (1.0, working("Container last")))
    lines = shown(made, rows=6).splitlines()
    assert [line[3:15].strip() for line in lines[1:-1]] == [
        "Container c0",
        "Container c1",
        "Container la",
    ]
    assert (lines[0], lines[-1], len(lines)) == ("[+] up 8/9", " ... 6 more", 5)


def test_an_image_shows_the_sum_and_each_of_its_layers_with_bar_and_rate():
    made = block(
        (0.0, working("Image nginx", "Pulling")),
        (0.0, working("aa", "Downloading", parent_id="Image nginx", current=5, total=10)),
        (0.0, done("bb", "Pull complete", parent_id="Image nginx", current=30, total=30)),
    )
    assert shown(made, now=1.0) == (
        "[+] up 1/3\n ⠋ Image nginx [⣤⣿]     35B / 40B      Pulling          1.0s\n"
        "   ⠋ aa ⣿⣿⣿⣿⣿⣿⠀⠀⠀⠀⠀⠀      5B / 10B      Downloading\n"
        "   ✔ bb  Pull complete"
    )


def test_the_rate_is_that_of_the_step_without_what_was_there_before():
    made = block(
        (0.0, working("Image nginx", "Pulling")),
        (0.0, working("aa", "Downloading", parent_id="Image nginx", current=500, total=4000)),
        (2.0, working("aa", "Downloading", parent_id="Image nginx", current=2500, total=4000)),
    )
    assert shown(made, now=2.0, columns=72).splitlines()[2] == (
        "   ⠋ aa ⣿⣿⣿⣿⣿⣿⣿⣤⠀⠀⠀⠀   2.5kB / 4kB         1kB/s  Downloading"
    )


def test_extracting_has_its_own_bar_while_the_sum_stays():
    made = block(
        (0.0, working("Image nginx", "Pulling")),
        (0.0, working("aa", "Downloading", parent_id="Image nginx", current=10, total=10)),
        (1.0, working("aa", "Extracting", parent_id="Image nginx", current=5, total=10)),
    )
    lines = shown(made, now=1.0).splitlines()
    assert "[⣿]     10B / 10B" in lines[1]
    assert lines[2] == "   ⠋ aa ⣿⣿⣿⣿⣿⣿⠀⠀⠀⠀⠀⠀      5B / 10B      Extracting"


def test_layers_that_do_not_fit_are_those_that_are_done():
    layers = [
        (0.0, done(f"l{number}", "Pull complete", parent_id="Image a")) for number in range(9)
    ]
    made = block(
        (0.0, working("Image a", "Pulling")),
        *layers,
        (0.0, working("last", "Downloading", parent_id="Image a")),
    )
    lines = shown(made, now=0.0, rows=6).splitlines()
    assert len(lines) <= 5
    assert any("last" in line for line in lines)


def test_a_layer_of_two_images_listens_to_the_first():
    made = block(
        (0.0, working("aa", "Downloading", parent_id="Image a", current=5, total=10)),
        (0.0, working("aa", "Waiting", parent_id="Image b")),
    )
    assert made.tasks["aa"].text == "Downloading"


def test_dry_run_is_said_on_every_line():
    assert shown(block((0.0, done("Container a")), dry_run=True), columns=50).splitlines()[1] == (
        " ✔  DRY-RUN MODE - Container a  Created       0.0s"
    )


def test_a_name_cannot_move_the_cursor():
    assert "\x1b" not in shown(block((0.0, done("Container \x1b[2Ja"))))
