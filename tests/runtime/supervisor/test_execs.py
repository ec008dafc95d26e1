"""Further processes in a container, for `exec` and for probes."""

import os
import signal

import pytest

from runtime.errors import RuntimeFault, StartFailed
from runtime.messages import ExecEnded, ExecInContainer, ExecStarted, PauseContainer
from runtime.values import ExecOptions, HealthOptions, ImageConfig
from tests.fakes.project import wait_for_death
from tests.runtime.supervisor.waiting import wait_for_state

pytestmark = pytest.mark.kernel


def execute(*command, **options):
    return ExecInContainer(container_id="web", options=ExecOptions(command=command, **options))


def test_exec_hands_the_caller_s_pipes_to_the_process(project):
    project.shell("web", "sleep 60")
    project.start("web")
    stdin, feeding = os.pipe()
    reading, writing = os.pipe()
    with project.open() as asking:
        started, _ = asking.ask(
            execute("/bin/sh", "-c", "cat; echo end; exit 5"), (stdin, writing, writing)
        )
        for descriptor in (stdin, writing):
            os.close(descriptor)
        os.write(feeding, b"through\n")
        os.close(feeding)
        with open(reading) as file:
            assert file.read() == "through\nend\n"
        ended, _ = asking.answer()
    assert isinstance(started, ExecStarted)
    assert ended == ExecEnded(exec_id=started.exec_id, exit_code=5)
    assert project.events[1:] == [
        "web exec_create: /bin/sh",
        "web exec_start: /bin/sh",
        "web exec_die exitCode=5",
    ]


def test_exec_with_a_terminal_gives_its_master(project):
    project.shell("web", "sleep 60")
    project.start("web")
    with project.open() as asking:
        _started, (master,) = asking.ask(execute("/bin/sh", "-c", "tty -s && echo yes", tty=True))
        assert os.read(master, 100) == b"yes\r\n"
        ended, _ = asking.answer()
        os.close(master)
    assert ended.exit_code == 0


def test_a_program_that_is_not_there_is_127(project):
    project.shell("web", "sleep 60")
    project.start("web")
    with project.open() as asking, pytest.raises(StartFailed) as caught:
        asking.ask(execute("/no/such", "thing", detach=True))
    assert (caught.value.exit_code, caught.value.tried) == (127, "execute /no/such")


def test_exec_is_refused_where_nothing_runs_or_all_is_paused(project):
    project.shell("web", "sleep 60")
    with project.open() as asking:
        with pytest.raises(RuntimeFault, match="is not running"):
            asking.ask(execute("/bin/true", detach=True))
        project.start("web")
        asking.ask(PauseContainer(container_id="web"))
        with pytest.raises(RuntimeFault, match="is paused"):
            asking.ask(execute("/bin/true", detach=True))
        project.stop("web", grace=0)


def test_a_foreground_process_ends_with_its_client_a_detached_one_does_not(project):
    project.shell("web", "sleep 60")
    project.start("web")
    nothing = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
    with project.open() as asking:
        foreground, _ = asking.ask(execute("/bin/sh", "-c", "sleep 3600; true"), nothing)
    with project.open() as asking:
        detached, _ = asking.ask(execute("/bin/sleep", "3600", detach=True))
    wait_for_death(foreground.pid)
    os.kill(detached.pid, 0)
    os.kill(detached.pid, 15)


def test_health_is_told_and_its_last_results_are_kept(project, tmp_path):
    flag = tmp_path / "well"
    project.shell(
        "web",
        "sleep 60",
        healthcheck=HealthOptions(
            test=("CMD-SHELL", f"echo looking; test -e {flag}"),
            interval=0.05,
            retries=2,
            start_interval=0.05,
        ),
    )
    with project.watch() as events:
        assert project.start("web").health in ("", "starting")
        state = events.until("health_status: unhealthy")
        assert [(one.exit_code, one.output) for one in state.probes] == [(1, "looking\n")] * 2
        flag.touch()
        state = events.until("health_status: healthy")
        assert (state.health, state.failing_streak, state.probes[-1].exit_code) == ("healthy", 0, 0)
    project.stop("web", grace=0)
    assert [one for one in project.events if "health" in one] == [
        "web health_status: unhealthy",
        "web health_status: healthy",
    ]


def test_the_first_probe_of_a_long_interval_comes_early(project):
    project.shell(
        "web", "sleep 60", healthcheck=HealthOptions(test=("CMD", "/bin/true"), interval=3600.0)
    )
    with project.watch() as events:
        project.start("web")
        assert events.until("health_status: healthy").health == "healthy"


def test_an_early_success_waits_for_the_declared_port(project):
    server = "import socket,sys; s=socket.create_server(('0.0.0.0', {})); print('up',flush=True); sys.stdin.read()"
    with __import__("socket").create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        project.add(
            "web",
            "/usr/bin/env",
            "python3",
            "-c",
            "import sys; sys.stdin.readline(); " + server.format(port),
            stdin_open=True,
            environment={"PATH": os.environ["PATH"]},
            image=ImageConfig(exposed_ports=(f"{port}/tcp",)),
            healthcheck=HealthOptions(test=("CMD", "/bin/true"), interval=3600.0),
        )
        with project.watch() as events:
            project.start("web")
            from runtime.messages import AttachContainer

            _message, (stdin,) = project.ask(AttachContainer(container_id="web"))
            # a listener on loopback, of somebody else or of its own initialisation, does not count
            assert project.state("web").health == "starting"
            free.close()
            os.write(stdin, b"go\n")
            assert events.until("health_status: healthy").health == "healthy"
            os.close(stdin)


def test_a_probe_that_hangs_is_killed_with_its_children_before_the_next(project, tmp_path):
    pids = tmp_path / "pids"
    project.shell(
        "web",
        "sleep 60",
        healthcheck=HealthOptions(
            test=("CMD-SHELL", f"sleep 3600 & echo $! >> {pids}; wait"),
            interval=0.01,
            timeout=0.2,
            retries=2,
            start_interval=0.01,
        ),
    )
    with project.watch() as events:
        project.start("web")
        state = events.until("health_status: unhealthy")
    assert [(one.exit_code, one.output) for one in state.probes] == [
        (-1, "health check exceeded timeout (0.2 s)")
    ] * 2
    for pid in pids.read_text().split()[:2]:
        wait_for_death(int(pid))


def test_a_flood_of_output_is_cut_and_does_not_block_the_probe(project):
    project.shell(
        "web",
        "sleep 60",
        healthcheck=HealthOptions(test=("CMD-SHELL", "yes | head -c 1000000"), interval=3600.0),
    )
    with project.watch() as events:
        project.start("web")
        assert len(events.until("health_status: healthy").probes[-1].output) == 4096


def test_a_probe_that_cannot_be_executed_fails_with_the_reason(project):
    project.shell(
        "web",
        "sleep 60",
        healthcheck=HealthOptions(
            test=("CMD", "/no/such"), interval=0.01, start_interval=0.01, retries=1
        ),
    )
    with project.watch() as events:
        project.start("web")
        state = events.until("health_status: unhealthy")
    assert (state.probes[-1].exit_code, state.probes[-1].output.split(":")[0]) == (127, "/no/such")


def test_probes_go_on_under_the_next_supervisor(project, tmp_path):
    flag = tmp_path / "well"
    flag.touch()
    project.shell(
        "web",
        "sleep 60",
        healthcheck=HealthOptions(
            test=("CMD-SHELL", f"test -e {flag}"), interval=0.05, retries=2, start_interval=0.05
        ),
    )
    with project.watch() as events:
        project.start("web")
        events.until("health_status: healthy")
    project.kill_supervisor()
    project.wait_for_supervisor()
    assert project.state("web").health == "healthy"
    flag.unlink()
    wait_for_state(project, "web", lambda state: state.health == "unhealthy")


def test_where_the_container_has_just_ended_that_is_said_and_not_what_failed_of_it(project):
    for number in range(5):
        project.shell("web", "sleep 60")
        os.kill(project.start("web").pid, signal.SIGKILL)
        with pytest.raises(RuntimeFault, match="container web is not running"):
            project.ask(execute("!fail", "E02 join its namespaces", "125"))
        wait_for_state(project, "web", lambda state: state.status == "exited")
        assert project.state("web").generation == number + 1


def test_a_paused_container_is_not_asked(project, tmp_path):
    asked = tmp_path / "asked"
    project.shell(
        "web",
        "sleep 60",
        healthcheck=HealthOptions(
            test=("CMD-SHELL", f"echo >> {asked}"), interval=0.05, start_interval=0.05
        ),
    )
    with project.watch() as events:
        project.start("web")
        events.until("health_status: healthy")
        project.ask(PauseContainer(container_id="web"))
        events.until("pause")
        # one may have been under way
        for _ in range(2):
            before = asked.read_text()
            with pytest.raises(AssertionError, match="no answer"):
                events.asking.wait(0.3)
        assert asked.read_text() == before
