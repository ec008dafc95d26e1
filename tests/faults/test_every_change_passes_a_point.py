"""R03: what a sweep over the fault points does not stop at would be a step that nobody ever tested a death in."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.faults import calls
from tests.faults.strike import VERBS, stage

pytestmark = pytest.mark.kernel


def seen(*lines: str) -> list[str]:
    """What is outside, of a trace in which /t is the file of points."""
    return [
        f"{found.process}: {found.call.name}"
        for found in calls.outside(calls.parse(lines), trace="/t", interpreter="/python")
    ]


def test_a_call_between_the_two_marks_of_a_point_is_inside():
    begin = '1 write(3</t>, "supervisor 7 mkdir cgroup\\n", 27) = 27'
    end = '1 write(3</t>, "supervisor 7 -mkdir cgroup\\n", 28) = 28'
    assert seen(begin, '1 mkdir("/x", 0700) = 0', end) == []
    assert seen(begin, end, '1 mkdir("/x", 0700) = 0') == ["supervisor: mkdir"]
    assert seen(begin, '2 mkdir("/x", 0700) = 0', end) == ["?: mkdir"]


def test_what_a_program_of_the_user_s_does_is_his():
    lines = ['1 execve("/bin/sh", ["sh"], 0x1) = 0', "1 clone(child_stack=NULL) = 2"]
    assert seen(*lines, '1 mkdir("/x", 0700) = 0', '2 rmdir("/x") = 0') == []
    assert seen('1 execve("/python", [], 0x1) = 0', '1 rmdir("/x") = 0') == ["?: rmdir"]


def test_a_call_that_another_one_s_line_interrupts_is_read_whole():
    lines = ["1 rmdir( <unfinished ...>", "2 splice(3, NULL) = 2", '1 <... rmdir resumed>"/x") = 0']
    assert seen(*lines) == ["?: rmdir"]


def test_what_failed_or_only_looks_changes_nothing():
    assert (
        seen(
            '1 mkdir("/x", 0700) = -1 EEXIST (File exists)',
            '1 openat(AT_FDCWD</>, "/x", O_RDONLY|O_CLOEXEC) = 3',
            "1 bind(3<socket:[1]>, {sa_family=AF_NETLINK}, 12) = 0",
            '1 write(1<pipe:[5]>, "x", 1) = 1',
        )
        == []
    )


def test_up_exec_and_down_change_nothing_outside_a_fault_point():
    with stage() as made:
        made.must("up", "-d")  # makes the template of `image: host`, which is kept from then on
        made.must("down", "-v", "-t", "0")
        script = made.trace.with_name("script")
        words = [made.pycompose.command(*verb) for verb in VERBS.values()]
        script.write_text(
            f"import subprocess\nfor words in {words!r}:\n    subprocess.run(words)\n"
        )
        listing = made.trace.with_name("strace")
        made.trace.write_text("")
        watching = ["strace", "-f", "-y", "-s", "200", "-e", f"trace={calls.WATCHED}"]
        watching += ["-e", "signal=none", "-o", str(listing), sys.executable, str(script)]
        # it ends when keeper and supervisor have
        run = subprocess.run(
            watching,
            cwd=made.pycompose.folder,
            env=made.pycompose.environment({"PYCOMPOSE_FAULT_TRACE": str(made.trace)}),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert " Container project-db-1 Removed" in run.stderr
        with open(listing, errors="replace") as lines:
            found = calls.outside(
                calls.parse(lines), trace=str(made.trace), interpreter=sys.executable
            )
            outside = Counter(f"{one.process}: {str(one.call)[:200]}" for one in found)
        assert not outside, "\n".join(outside)
        processes = {line.split()[0] for line in made.trace.read_text().splitlines()}
        assert processes == {"cli", "supervisor", "keeper", "init"}
