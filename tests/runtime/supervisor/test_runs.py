"""A container's runs: started, stopped, ended by itself, started again by its policy."""

import os
import re
import signal
import time
from contextlib import suppress
from threading import Thread

import pytest

from runtime.errors import InUse, NotFound, RuntimeFault, StartFailed
from runtime.messages import (
    AttachContainer,
    KillContainer,
    PauseContainer,
    RemoveContainer,
    StartContainer,
    StopContainer,
    UnpauseContainer,
)
from runtime.values import PortBinding, RestartPolicy
from tests.fakes.project import descriptors_of
from tests.runtime.supervisor.waiting import wait_for_state

pytestmark = pytest.mark.kernel


def test_a_run_from_start_to_end(project):
    project.shell(
        "web", "echo out; echo err >&2; read line; echo got $line; exit 3", stdin_open=True
    )
    with project.watch() as events:
        state = project.start("web")
        assert (state.status, state.generation) == ("running", 1)
        _message, (stdin,) = project.ask(AttachContainer(container_id="web"))
        # what comes next must not be there before both streams were read
        wait_for_output(project, "web", "out")
        wait_for_output(project, "web", "err")
        os.write(stdin, b"something\n")
        os.close(stdin)
        state = events.until("die")
    assert (state.status, state.exit_code, state.pid) == ("exited", 3, 0)
    assert (
        project.output("web") == "out\nerr\ngot something\n"
        or project.output("web") == "err\nout\ngot something\n"
    )
    assert project.events == ["web start", "web attach", "web die exitCode=3"]
    with project.open():
        assert project.calls == [
            "settle",
            "prepare web",
            "attach web",
            "desired web running",
            "serve web stderr stdin stdout",
            "release web",
        ]


def test_a_signal_s_end_is_128_and_its_number(project):
    project.shell("web", "kill -9 $$")
    with project.watch() as events:
        project.start("web")
        assert events.until("die").exit_code == 137


def test_stop_sends_the_stop_signal_and_waits(project):
    project.shell(
        "web", "trap 'exit 5' USR1; echo ready; while :; do sleep 0.05; done", stop_signal="SIGUSR1"
    )
    project.start("web")
    wait_for_output(project, "web", "ready\n")
    state = project.stop("web")
    assert (state.status, state.exit_code) == ("exited", 5)
    assert project.events == ["web start", "web kill signal=10", "web die exitCode=5", "web stop"]


def test_stop_kills_what_does_not_end_in_time(project):
    project.shell("web", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    project.start("web")
    wait_for_output(project, "web", "ready\n")
    state = project.stop("web", grace=0.1)
    assert (state.status, state.exit_code) == ("exited", 137)
    assert project.events == [
        "web start",
        "web kill signal=15",
        "web kill signal=9",
        "web die exitCode=137",
        "web stop",
    ]


def test_networks_go_with_the_run_that_was_ended_for_that_and_not_with_the_next(project):
    project.shell("web", "sleep 60")
    project.start("web")
    project.stop("web", grace=0, networks_go=True)
    with project.watch() as events:
        project.start("web")
        project.ask(KillContainer(container_id="web", signal="SIGKILL"))
        events.until("die")
    project.remove("web", force=True, volumes=False)
    released = [call for call in project.calls if call.startswith("release")]
    assert released == ["release web networks go", "release web"]


def test_a_stopped_container_is_not_started_by_its_policy(project):
    project.shell("web", "sleep 60", restart=RestartPolicy(name="always"))
    project.start("web")
    assert project.stop("web", grace=0).status == "exited"
    assert "desired web stopped" in project.calls


def test_a_container_that_failed_is_restarted_as_often_as_its_policy_says(project):
    project.shell(
        "web", "echo run; exit 4", restart=RestartPolicy(name="on-failure", max_retries=2)
    )
    with project.watch() as events:
        project.start("web")
        for _ in range(3):
            state = events.until("die")
    assert project.output("web") == "run\nrun\nrun\n"
    state = project.state("web")
    assert (state.status, state.exit_code, state.restart_count, state.generation) == (
        "exited",
        4,
        2,
        3,
    )


def test_a_stop_during_the_pause_before_a_restart_returns_at_once(project):
    project.shell("web", "exit 1", restart=RestartPolicy(name="always", delay=3600.0))
    with project.watch() as events:
        project.start("web")
        events.until("die")
        with project.open() as asking:
            message, _ = asking.ask(StopContainer(container_id="web"))
        assert message.state.status == "exited"
        # whoever waits for its next run hears that there is none
        assert events.until("stop") == message.state


def test_a_stop_that_waits_for_a_start_is_not_undone_by_the_policy(project):
    project.shell("web", "sleep 60", restart=RestartPolicy(name="always", delay=3600.0))
    with project.open() as asking:
        with pytest.raises(RuntimeFault, match="container web is not running"):
            asking.ask(KillContainer(container_id="web", signal="SIGUSR1"))
        asking.channel.ask(StartContainer(container_id="web"))
        asking.channel.ask(StopContainer(container_id="web", grace=0))
        states = [asking.answer()[0].state.status for _ in range(2)]
    assert states == ["running", "exited"]
    wanted = [call for call in project.calls if call.startswith("desired")]
    assert wanted[-1] == "desired web stopped"


def test_a_start_by_hand_does_not_wait_for_the_policy_s_pause(project):
    project.shell(
        "web",
        "test -e /proc/self/nothing || exit 1",
        restart=RestartPolicy(name="always", delay=3600.0),
    )
    with project.watch() as events:
        project.start("web")
        events.until("die")
        assert project.start("web").restart_count == 0
        events.until("die")
    assert project.state("web").generation == 2


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [(("!fail", "L22 bind_rootfs", "125"), 125), (("/no/such/program",), 127), (("!die",), 125)],
)
def test_a_failed_start_leaves_nothing_and_is_not_tried_again(project, command, exit_code):
    project.add("web", *command, restart=RestartPolicy(name="always"))
    with project.open() as asking, pytest.raises(StartFailed) as caught:
        asking.ask(StartContainer(container_id="web"))
    assert caught.value.exit_code == exit_code
    state = project.state("web")
    assert (state.status, state.pid, state.exit_code) == ("created", 0, exit_code)
    assert state.error
    assert project.calls[-1] == "release web"
    assert list(project.paths.processes.iterdir()) == []


@pytest.mark.parametrize("label", ["unprepared", "unattached"])
def test_a_start_that_the_machine_refuses_is_undone_and_can_be_tried_again(project, label):
    record = project.shell("web", "exit 0", labels={label: ""})
    for _ in range(2):
        with project.open() as asking, pytest.raises(RuntimeFault, match="cannot be"):
            asking.ask(StartContainer(container_id="web"))
    assert project.calls[-1] == "release web"
    import dataclasses

    project.machine.store(
        dataclasses.replace(record, options=dataclasses.replace(record.options, labels={}))
    )
    with project.watch() as events:
        project.start("web")
        assert events.until("die").exit_code == 0


def test_a_start_that_never_ends_is_given_up_for_a_stop(project):
    (project.machine.folder / "impatient").touch()
    project.add("web", "!hang")
    with project.open() as starting:
        starting.channel.ask(StartContainer(container_id="web"))
        wait_for_state(project, "web", lambda state: state.pid)
        assert project.stop("web").status == "created"
        with pytest.raises(StartFailed, match="it died before its program was executed"):
            starting.answer()
    project.remove("web")


def test_a_disk_that_is_full_costs_neither_the_end_of_a_run_nor_the_word_of_it(project):
    project.shell("web", "exit 3", labels={"full": ""})
    with project.watch() as events:
        project.start("web")
        state = events.until("die")
    assert (state.status, state.exit_code) == ("exited", 3)
    assert project.events == []
    assert "the state of web is not written down: [Errno 28] No space left" in project.log
    assert "the event die of web is not kept: disk full" in project.log
    project.remove("web")


def test_pause_stops_it_and_stop_thaws_it(project):
    project.shell("web", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    project.start("web")
    wait_for_output(project, "web", "ready\n")
    project.ask(PauseContainer(container_id="web"))
    assert project.state("web").status == "paused"
    with pytest.raises(RuntimeFault, match="already paused"):
        project.ask(PauseContainer(container_id="web"))
    assert project.stop("web").exit_code == 0
    with pytest.raises(RuntimeFault, match="not paused"):
        project.ask(UnpauseContainer(container_id="web"))
    assert project.events == [
        "web start",
        "web pause",
        "web kill signal=15",
        "web unpause",
        "web die exitCode=0",
        "web stop",
    ]


def test_a_signal_that_does_not_end_it_leaves_the_policy_in_force(project):
    project.shell(
        "web",
        "trap 'exit 9' HUP; echo ready; while :; do sleep 0.05; done",
        restart=RestartPolicy(name="always", delay=0.0),
    )
    with project.watch() as events:
        project.start("web")
        wait_for_output(project, "web", "ready\n")
        project.ask(KillContainer(container_id="web", signal="HUP"))
        events.until("die")
        assert events.until("start").restart_count == 1
        project.ask(KillContainer(container_id="web"))
        assert events.until("die").exit_code == 137
    with pytest.raises(RuntimeFault, match="not running"):
        project.ask(KillContainer(container_id="web"))
    with pytest.raises(RuntimeFault, match="invalid signal"):
        project.ask(KillContainer(container_id="web", signal="SIGNONE"))


def test_a_running_container_is_removed_by_force_alone(project):
    project.shell("web", "sleep 60")
    project.start("web")
    with project.open() as asking:
        keeper = project.keeper
        with pytest.raises(InUse):
            asking.ask(RemoveContainer(container_id="web"))
        asking.ask(RemoveContainer(container_id="web", force=True))
        with pytest.raises(NotFound):
            asking.ask(RemoveContainer(container_id="web"))
    assert project.events[-1] == "web destroy"
    project.wait_for_end(keeper)
    assert not project.paths.run.exists()


def test_an_end_is_an_end_though_something_of_it_cannot_be_taken_away(project):
    project.shell("web", "exit 3", labels={"leaky": ""})
    with project.watch() as events:
        project.start("web")
        assert events.until("die").exit_code == 3
        project.remove("web")
        assert "web: something of it is left: [Errno 5] Input/output error" in project.log


def test_who_removes_what_is_just_being_removed_is_answered_when_it_is_gone(project):
    """Else the network that it was on is asked for too early, and is still in use."""
    project.shell("web", "sleep 60", labels={"slow": ""})
    done: list[bool] = []

    def remove() -> None:
        with suppress(NotFound):  # a moment later there is nothing to wait for any more
            project.remove("web")
        done.append(["remove", "web"] in project.machine.read("calls"))

    with project.open():
        first, second = Thread(target=remove), Thread(target=remove)
        first.start()
        while (project.machine.folder / "web.json").exists():
            time.sleep(0.01)
        second.start()
        time.sleep(0.1)  # long enough to be refused; whoever is not waits for what follows
        (project.machine.folder / "go").touch()
        first.join()
        second.join()
    assert done == [True, True]


def test_a_start_that_waited_for_a_removal_makes_nothing(project):
    project.shell("web", "sleep 60", labels={"slow to begin": ""})
    signal_it = KillContainer(container_id="web", signal="SIGUSR1")
    with project.open() as asking:
        with pytest.raises(RuntimeFault, match="container web is not running"):
            asking.ask(signal_it)
        asking.channel.ask(RemoveContainer(container_id="web"))
        asking.channel.ask(StartContainer(container_id="web"))
        # requests are taken up in their order, and this one waits for nothing
        with pytest.raises(RuntimeFault, match="container web is not running"):
            asking.ask(signal_it)
        (project.machine.folder / "go").touch()
        asking.answer()
        with pytest.raises(NotFound, match="no such container: web"):
            asking.answer()
        assert project.calls == ["settle", "remove web"]
        assert list(project.paths.states.iterdir()) == []


def test_sockets_of_a_run_are_closed_at_its_end_in_both_processes(project):
    project.shell(
        "web", "sleep 60", labels={"resolver": ""}, ports=(PortBinding(container_port=80),)
    )
    project.shell("other", "sleep 60")
    with project.open() as asking:
        asking.ask(StartContainer(container_id="other"))
        before = open_in_both(project)
        for _ in range(2):
            asking.ask(StartContainer(container_id="web"))
            keepers, supervisors = (
                now - then for now, then in zip(open_in_both(project), before, strict=True)
            )
            assert len(keepers) == 4, "two sockets, two pipes"
            assert keepers == supervisors
            asking.ask(StopContainer(container_id="web", grace=0))
            assert open_in_both(project) == before


def test_output_goes_to_the_caller_s_own_pipe_when_he_hands_it_over(project):
    project.shell("web", "cat; echo done >&2")
    reading, writing = os.pipe()
    stdin, feeding = os.pipe()
    with project.watch() as events:
        project.ask(
            StartContainer(container_id="web", handed_stdio=True), (stdin, writing, writing)
        )
        for descriptor in (writing, stdin):
            os.close(descriptor)
        os.write(feeding, b"hello\n")
        os.close(feeding)
        with open(reading) as file:
            assert file.read() == "hello\ndone\n"
        assert events.until("die").exit_code == 0
    assert project.output("web") == ""


def test_a_terminal_is_given_to_the_one_who_starts_it_in_the_foreground(project):
    project.shell("web", "tty -s && read x && echo got $x", tty=True, stdin_open=True)
    with project.watch() as events:
        _message, (master,) = project.ask(
            StartContainer(container_id="web", handed_stdio=True, columns=90, rows=20)
        )
        os.write(master, b"abc\n")
        assert read_terminal(master) == "abc\r\ngot abc\r\n"
        assert events.until("die").exit_code == 0
    assert project.output("web") == ""


def test_a_terminal_in_the_background_is_logged(project):
    project.shell("web", "tty -s && read x && echo got $x", tty=True, stdin_open=True)
    with project.watch() as events:
        project.start("web")
        message, (master,) = project.ask(AttachContainer(container_id="web"))
        assert message.tty
        os.write(master, b"abc\n")
        assert events.until("die").exit_code == 0
        os.close(master)
    assert project.output("web") == "abc\r\ngot abc\r\n"


def wait_for_output(project, name, text):
    from runtime.containers.logs import follow_logs

    folder = project.all_paths.data / "logs" / name
    seen = ""
    for line in follow_logs(folder, name, has_ended=lambda: False):
        seen += line.text.decode() + "\n"
        if text in seen:
            return


def read_terminal(master):
    seen = b""
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:
            data = b""
        if not data:
            os.close(master)
            return seen.decode()
        seen += data


def open_in_both(project):
    """Pipes and sockets of keeper and supervisor."""
    return tuple(
        {one for one in descriptors_of(pid) if one.startswith(("socket:", "pipe:"))}
        for pid in (project.keeper.pid, project.keeper.supervisor_pid)
    )


def test_signal_numbers():
    from runtime.supervisor.stops import signal_number

    names = ("SIGHUP", "hup", "1", "sigrtmin+3", "RTMAX-1", "64")
    assert [signal_number(name) for name in names] == [
        *(1, 1, 1),
        signal.SIGRTMIN + 3,
        signal.SIGRTMAX - 1,
        64,
    ]


@pytest.mark.parametrize(
    "name", ["", "FOO", "0", "65", "-1", "1+1", "RTMIN+", "RTMIN+99", "RTMAX+1", "RTMAX-99", "SIG"]
)
def test_what_is_no_signal(name: str):
    from runtime.supervisor.stops import signal_number

    with pytest.raises(RuntimeFault, match=f"invalid signal: {re.escape(name)}") as refused:
        signal_number(name)
    assert refused.value.code == "E341"


def test_a_restart_waits_for_the_container_whose_namespaces_are_joined(project):
    project.shell("db", "read line; exit 0", stdin_open=True)
    always = RestartPolicy(name="always")
    project.shell("web", "read line", restart=always, ipc="container:db", stdin_open=True)
    project.shell("other", "read line", restart=always, stdin_open=True)
    with project.watch() as events:
        db, web, other = map(project.start, ("db", "web", "other"))
        os.kill(db.pid, signal.SIGKILL)
        events.until("die", "db")
        os.kill(web.pid, signal.SIGKILL)
        assert events.until("die", "web").status == "restarting"
        # one that ended later and joins nobody is back before anything else is done
        os.kill(other.pid, signal.SIGKILL)
        assert events.until("start", "other").generation == 2
        assert project.start("db").status == "running"
        state = events.until("start", "web")
    assert (state.generation, state.restart_count) == (2, 1)
    assert project.events[-2:] == ["db start", "web start"]


def test_a_restart_that_fails_is_told_to_who_waits(project):
    project.shell("web", "exit 1", restart=RestartPolicy(name="always"), labels={"once": ""})
    with project.watch() as events:
        project.start("web")
        assert events.until("die").status == "restarting"
        state = events.until("die")
    assert (state.status, state.error) == ("exited", "cannot be prepared: y")
    assert project.events[-1] == "web die exitCode=1 cause=cannot be prepared"
