"""What a client sees of supervisors that are silent, or do not stay alive."""

import os
import shutil
import signal
import time

import anyio
import pytest

from runtime import control
from runtime.control import Channel, NobodyThere
from runtime.engine import Engine
from runtime.errors import Unreachable
from runtime.messages import StopContainer
from runtime.paths import Paths
from runtime.state.database import Database
from tests.conftest import wait_for_end
from tests.fakes.project import FakeProject, kill, wait_for_death

pytestmark = pytest.mark.kernel


@pytest.fixture
def project(paths: Paths):
    made = FakeProject(paths)
    yield made
    print(made.log)
    made.close()


def test_a_supervisor_that_says_nothing_is_given_up(
    project: FakeProject, monkeypatch: pytest.MonkeyPatch
):
    project.wait_for_supervisor()
    monkeypatch.setattr(control, "WELCOME_SECONDS", 0.2)
    supervisor = project.keeper.supervisor_pid
    os.kill(supervisor, signal.SIGSTOP)
    answers = []
    for ask in (Channel.answer, lambda channel: anyio.run(Channel.answer_later, channel)):
        with Channel(project.paths.control_socket) as channel:
            channel.ask(StopContainer(container_id="web"))
            with pytest.raises(Unreachable) as caught:
                ask(channel)
            answers.append((caught.value.code, caught.value.answered, caught.value.hint))
    hint = f"see {project.paths.engine_log}"
    assert answers == [("E323", "not a word for 0.2 seconds", hint)] * 2
    os.kill(supervisor, signal.SIGCONT)


def test_where_no_supervisor_stays_alive_a_command_says_the_last_line_of_its_log(
    project: FakeProject, paths: Paths
):
    (paths.data / "fake" / "broken").touch()
    for _attempt in range(3):
        with project.open() as asking, pytest.raises(NobodyThere):
            asking.ask(StopContainer(container_id="web"))
    assert "No space left on device\n" in project.log
    # with the cause gone the next one is as good as new; until its pause is over everybody is sent
    # away, and one that had begun before may still die
    (paths.data / "fake" / "broken").unlink()
    deadline = time.monotonic() + 30
    while True:
        try:
            project.wait_for_supervisor()
            break
        except NobodyThere:
            assert time.monotonic() < deadline


@pytest.mark.anyio
async def test_what_a_lost_keeper_left_is_not_waited_for_without_end(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("runtime.engine.SETTLE_SECONDS", 0.2)
    monkeypatch.setattr("runtime.state.recovery.is_unsettled", lambda _project: True)
    engine = Engine(paths, project="shop", folder="/x")
    with pytest.raises(Unreachable, match="what a lost keeper left behind is not settled"):
        await engine.open()
    assert await engine.remove_project_row("shop")
    await engine.aclose()
    assert Database.open(paths).projects() == ()
    wait_for_end(paths)


def test_a_keeper_ends_with_the_folder_that_somebody_removed(project: FakeProject):
    project.wait_for_supervisor()
    keeper = project.keeper
    shutil.rmtree(project.paths.run)
    kill(keeper.supervisor_pid)
    wait_for_death(keeper.pid)
