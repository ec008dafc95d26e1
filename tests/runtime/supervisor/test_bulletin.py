"""Events of one turn are one commit, and whoever is told of one finds it in the rows."""

import pytest

from runtime.errors import RuntimeFault
from runtime.supervisor.bulletin import Bulletin
from runtime.values import ContainerOptions, ContainerRecord, RunState

WEB = ContainerRecord(
    id="w", project_id="p", options=ContainerOptions(project="p", name="p-web-1", service="web")
)


class Rows:
    def __init__(self) -> None:
        self.commits: list[str] = []
        self.is_full = False
        self.later = []
        self.bulletin = Bulletin(self, start_task=self.later.append)

    def append_events(self, events):
        if self.is_full:
            raise RuntimeFault("the state database cannot be used", answered="disk full")
        self.commits.append(" ".join(event.action for event in events))


@pytest.mark.anyio
async def test_what_happens_in_one_turn_is_written_by_one_task():
    rows = Rows()
    for action in ("kill", "die", "stop"):
        rows.bulletin.publish(WEB, action, RunState())
    assert (rows.commits, len(rows.later)) == ([], 1)
    await rows.later.pop()()
    assert rows.commits == ["kill die stop"]
    rows.bulletin.publish(WEB, "start", RunState())
    await rows.later.pop()()
    assert rows.commits == ["kill die stop", "start"]


@pytest.mark.anyio
async def test_who_needs_the_rows_now_writes_them_and_the_task_finds_nothing():
    rows = Rows()
    rows.bulletin.publish(WEB, "start", RunState())
    rows.bulletin.write()
    await rows.later.pop()()
    assert rows.commits == ["start"]


@pytest.mark.anyio
async def test_an_event_that_cannot_be_kept_is_said_and_told_all_the_same(capsys):
    rows = Rows()
    rows.is_full = True
    watcher = rows.bulletin.watch()
    rows.bulletin.publish(WEB, "die", RunState())
    rows.bulletin.write()
    assert (await watcher.take()).event.action == "die"
    assert "the event die of p-web-1 is not kept: disk full" in capsys.readouterr().err
