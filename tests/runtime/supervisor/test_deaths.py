"""What survives when supervisor or keeper are killed (R10, R11), and what is said of what does
not."""

import os
import signal
import time

import pytest

from runtime import codec
from runtime.control import NobodyThere
from runtime.errors import RuntimeFault, StartFailed, Unreachable
from runtime.linux import files
from runtime.messages import (
    AttachContainer,
    ExecInContainer,
    ExecStarted,
    ProcessRecord,
    StartContainer,
    StopContainer,
    TakeLease,
)
from runtime.state import run_states
from runtime.values import ExecOptions, PortBinding, RestartPolicy
from tests.fakes.project import kill, wait_for_death
from tests.runtime.supervisor.waiting import wait_for_record, wait_for_state

pytestmark = pytest.mark.kernel


def test_containers_survive_the_supervisor_and_go_on_to_be_logged(project):
    project.shell(
        "web",
        'while read line; do echo $line; [ "$line" = two ] && exit 3; done',
        stdin_open=True,
        ports=(PortBinding(container_port=80),),
        labels={"resolver": ""},
    )
    before = project.start("web")
    _message, (stdin,) = project.ask(AttachContainer(container_id="web"))
    os.write(stdin, b"one\n")
    for number in range(3):
        project.kill_supervisor()
        os.write(stdin, b"while nobody listens %d\n" % number)
        project.wait_for_supervisor()
        state = project.state("web")
        assert (state.pid, state.start_time, state.ports) == (
            before.pid,
            before.start_time,
            before.ports,
        )
    assert project.calls.count("serve web port resolver-udp stderr stdin stdout") == 4
    with project.watch() as events:
        os.write(stdin, b"two\n")
        assert events.until("die").exit_code == 3
    os.close(stdin)
    assert (
        project.output("web")
        == "one\n" + "".join(f"while nobody listens {n}\n" for n in range(3)) + "two\n"
    )
    assert "restart" not in " ".join(project.events)


def test_an_exit_while_there_is_no_supervisor_is_told_by_the_next(project, monkeypatch):
    project.shell("web", "read line; echo last words; exit 7", stdin_open=True)
    project.start("web")
    _message, (stdin,) = project.ask(AttachContainer(container_id="web"))
    supervisor, pid = project.keeper.supervisor_pid, project.state("web").pid
    # stopped, it does not hear of the exit; killed, it never will
    os.kill(supervisor, signal.SIGSTOP)
    os.write(stdin, b"end\n")
    os.close(stdin)
    wait_for_death(pid)
    wait_for_record(project, "web-1.json")
    kill(supervisor)
    project.wait_for_supervisor()
    state = project.state("web")
    assert (state.status, state.exit_code) == ("exited", 7)
    assert project.output("web") == "last words\n"
    assert project.events[-1] == "web die exitCode=7"


def test_an_exit_is_read_from_the_record_before_any_supervisor_lives(project):
    project.shell("web", "read line; exit 7", stdin_open=True)
    project.start("web")
    _message, (stdin,) = project.ask(AttachContainer(container_id="web"))
    os.kill(project.keeper.supervisor_pid, signal.SIGSTOP)
    os.write(stdin, b"end\n")
    wait_for_record(project, "web-1.json")
    assert (project.state("web").status, project.state("web").exit_code) == ("exited", 7)
    os.kill(project.keeper.supervisor_pid, signal.SIGCONT)


def test_a_flood_is_logged_byte_for_byte_while_supervisors_die(project):
    project.shell("web", "seq 1 2000000; echo end")
    with project.watch():
        project.start("web")
    for _ in range(4):
        project.wait_for_supervisor()
        project.kill_supervisor()
    with project.watch() as events:
        if project.state("web").status == "running":
            events.until("die")
    assert project.output("web") == "".join(f"{n}\n" for n in range(1, 2000001)) + "end\n"


def test_where_no_supervisor_lives_the_keeper_writes_the_logs_and_says_so(project, paths):
    """DESIGN.md 4: else every container that writes would come to stand as soon as its pipe is full."""
    go, broken = paths.data / "go", paths.data / "fake" / "broken"
    project.shell("web", f"until [ -e {go} ]; do sleep 0.05; done; seq 1 300000; echo end")
    with project.watch():
        state = project.start("web")
        record = project.keeper
    broken.touch()
    project.kill_supervisor()
    while "no supervisor stays alive: the keeper writes the logs itself" not in project.log:
        assert run_states.start_time(record.pid) == record.start_time, project.log
        time.sleep(0.05)
    go.touch()
    wait_for_death(state.pid)
    broken.unlink()
    for attempt in range(3):  # one that had begun before may still die
        try:
            project.wait_for_supervisor()
            break
        except NobodyThere:
            assert attempt < 2
    assert project.output("web") == "".join(f"{n}\n" for n in range(1, 300001)) + "end\n"
    assert project.state("web").exit_code == 0


def test_more_descriptors_than_one_message_takes_go_to_the_keeper_and_come_back(project):
    """Of a range of ports: SCM_RIGHTS takes 253."""
    ports = tuple(PortBinding(container_port=port) for port in range(8000, 8300))
    project.shell("web", "sleep 60", ports=ports)
    project.start("web")
    first = served_descriptors(project, 1)
    project.kill_supervisor()
    assert served_descriptors(project, 2) == first
    assert len([name for name in first if name.startswith("port")]) == 300
    project.stop("web", grace=0)


def served_descriptors(project, time_: int) -> list[str]:
    """With which it was served, when it is for that time."""
    while len(served := [call for call in project.calls if call.startswith("serve web")]) < time_:
        time.sleep(0.01)
    return served[-1].split()


def test_a_restart_that_waits_is_taken_over(project):
    project.shell("web", "exit 1", restart=RestartPolicy(name="always", delay=3600.0))
    with project.watch() as events:
        project.start("web")
        events.until("die")
    project.kill_supervisor()
    project.wait_for_supervisor()
    assert project.state("web").status == "restarting"
    assert project.stop("web").status == "exited"


def test_a_process_of_exec_ends_with_the_supervisor_that_was_asked_for_it(project):
    project.shell("web", "sleep 60")
    project.start("web")
    reading, writing = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    with project.open() as asking:
        request = ExecInContainer(
            container_id="web", options=ExecOptions(command=("/bin/sleep", "3600"))
        )
        started, _ = asking.ask(request, (nothing, writing, writing))
        assert isinstance(started, ExecStarted)
        for descriptor in (writing, nothing):
            os.close(descriptor)
        project.kill_supervisor()
        assert os.read(reading, 1) == b""
    os.close(reading)
    project.stop("web", grace=0)


def test_a_process_of_exec_whose_keeper_is_lost_has_its_caller_told_so(project):
    project.shell("web", "sleep 60")
    project.start("web")
    with project.open() as asking:
        options = ExecOptions(command=("/bin/sleep", "3600"))
        asking.ask(ExecInContainer(container_id="web", options=options))
        project.kill_keeper()
        with pytest.raises(Unreachable, match="the project's keeper ended") as caught:
            asking.answer()
    assert caught.value.exit_code == 137


def test_a_state_that_could_not_be_written_down_is_made_up_from_the_keeper_s_record(project):
    project.shell("web", "sleep 60", labels={"full": ""})
    before = project.start("web")
    assert project.state("web").status == "created"
    project.shell("web", "sleep 60")  # the disk has room again
    project.kill_supervisor()
    project.wait_for_supervisor()
    state = project.state("web")
    assert (state.status, state.pid, state.start_time) == ("running", before.pid, before.start_time)


def test_a_keeper_that_hangs_up_gets_another_supervisor_and_nothing_else_ends(project):
    project.shell("web", "sleep 60")
    project.shell("bad", "sleep 60", labels={"garbage": ""})
    web, keeper = project.start("web"), project.keeper
    with pytest.raises(RuntimeFault):
        project.start("bad")
    wait_for_death(keeper.supervisor_pid)
    project.wait_for_supervisor()
    assert project.keeper.pid == keeper.pid
    assert (project.state("web").status, project.state("web").pid) == ("running", web.pid)
    assert project.state("bad").status == "created"
    assert "the keeper has hung up: the next supervisor goes on" in project.log


def test_a_lost_keeper_s_containers_are_killed_and_restarted_by_policy(project):
    project.shell("web", "echo run; sleep 60", restart=RestartPolicy(name="always"))
    project.shell("db", "echo run; sleep 60")
    web, db = project.start("web"), project.start("db")
    old = project.keeper
    project.kill_keeper()
    for pid in (web.pid, db.pid, old.supervisor_pid):
        wait_for_death(pid)
    state = project.state("db")
    assert (state.status, state.exit_code, state.error) == ("exited", 137, "lost keeper")
    assert "db die exitCode=137 cause=lost keeper" in project.events
    with project.watch() as events:
        state = project.state("web")
        if state.status != "running":
            state = events.until("start", "web")
    assert (state.status, state.restart_count, state.generation) == ("running", 1, 2)
    assert project.keeper.pid != old.pid
    assert project.output("db") == "run\n"


def test_without_anything_to_restart_a_lost_keeper_is_the_end(project):
    project.shell("db", "sleep 60")
    project.start("db")
    record = project.keeper
    project.kill_keeper()
    wait_for_death(record.supervisor_pid)
    assert not project.is_up
    project.wait_for_supervisor()
    assert project.state("db").status == "exited"


def test_both_killed_the_next_command_settles_it(project):
    project.shell("web", "sleep 60", restart=RestartPolicy(name="always"))
    project.shell("db", "sleep 60")
    web, db = project.start("web"), project.start("db")
    os.kill(project.keeper.supervisor_pid, signal.SIGSTOP)
    supervisor = project.keeper.supervisor_pid
    project.kill_keeper()
    kill(supervisor)
    assert project.state("db").status == "running", "nobody has seen it yet, and it lives"
    with project.watch() as events:
        for pid in (web.pid, db.pid):
            wait_for_death(pid)
        if project.state("web").status != "running":
            events.until("start", "web")
        state = project.state("db")
    assert (state.status, state.exit_code, state.error) == ("exited", 137, "lost keeper")


def test_after_a_reboot_nothing_is_started_by_itself(project):
    project.shell("web", "sleep 60", restart=RestartPolicy(name="always"))
    project.start("web")
    supervisor, state = project.keeper.supervisor_pid, project.state("web")
    os.kill(supervisor, signal.SIGSTOP)
    project.kill_keeper()
    kill(supervisor)
    kill(state.pid)
    path = project.paths.processes / "web-1.json"
    record = codec.decode(
        ProcessRecord,
        {**codec.encode(codec.loads(ProcessRecord, path.read_bytes())), "boot_id": "earlier"},
    )
    files.write_atomically(path, codec.dumps(record).encode())
    project.wait_for_supervisor()
    state = project.state("web")
    assert (state.status, state.exit_code, state.error) == (
        "exited",
        run_states.UNKNOWN_EXIT,
        "the machine went down",
    )


@pytest.mark.parametrize("moment", ["prepare", "clone"])
def test_a_start_that_was_under_way_when_the_supervisor_died_is_undone(project, moment):
    project.add("web", "!hang")
    with project.open() as asking:
        asking.channel.ask(StartContainer(container_id="web"))
        wait_for_state(project, "web", lambda state: state.pid)
        pid = project.state("web").pid
        project.kill_supervisor()
        wait_for_death(pid)
    project.wait_for_supervisor()
    state = project.state("web")
    assert (state.status, state.pid) == ("created", 0)
    assert project.calls[-1] in ("release web", "settle")
    assert "release web" in project.calls


def test_a_leased_project_is_removed_with_its_owner_whoever_dies_before(project):
    project.shell("web", "sleep 60", restart=RestartPolicy(name="always"))
    project.start("web")
    owner = os.posix_spawn("/bin/sleep", ["sleep", "3600"], {})
    pidfd = os.pidfd_open(owner)
    project.ask(TakeLease(), (pidfd,))
    os.close(pidfd)
    project.kill_supervisor()
    project.wait_for_supervisor()
    old = project.keeper
    project.kill_keeper()
    wait_for_death(old.supervisor_pid)
    project.wait_for_supervisor()
    assert project.state("web").status in ("running", "restarting")
    keeper = project.keeper
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)
    project.wait_for_end(keeper)
    assert project.calls[-1] == "remove project True"
    assert "remove web" in project.calls
    assert not project.paths.run.exists()


def test_r41_a_keeper_of_an_older_version_is_not_asked_for_what_hides_the_host(project):
    project.shell("plain", "sleep 60")
    project.shell("host", "sleep 60", labels={"laid": ""})
    older = project.machine.folder / "older"
    older.touch()
    assert project.start("plain").status == "running"
    with pytest.raises(StartFailed) as caught:
        project.start("host")
    assert (caught.value.code, str(caught.value)) == (
        "E350",
        "host: the keeper of the project is of an older version",
    )
    assert project.state("host").status == "created"
    older.unlink()
    keeper = project.keeper
    with project.watch() as events:
        project.ask(StopContainer(container_id="plain", grace=0.0))
        events.until("die")
    project.wait_for_end(keeper)
    assert project.start("host").status == "running"
