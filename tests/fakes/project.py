"""A project under a real keeper and a real supervisor, whose containers are plain processes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

from runtime import codec, messages, start_keeper
from runtime.containers.logs import read_logs
from runtime.control import Channel, NobodyThere
from runtime.linux import sockets
from runtime.messages import KeeperRecord
from runtime.paths import Paths
from runtime.state import run_states
from tests.fakes.machine import FolderMachine

PROGRAM = str(Path(__file__).with_name("keeper_program.py"))
PATIENCE = 60.0
"""Seconds until a test that waits gives up."""


class FakeProject:
    def __init__(self, paths: Paths, project_id: str = "abcd1234") -> None:
        for folder in (*paths, paths.projects):
            folder.mkdir(parents=True, exist_ok=True)
        self.id = project_id
        self.all_paths = paths
        self.paths = paths.project(project_id)
        self.machine = FolderMachine(paths, project_id)

    def add(self, name, *command, **options):
        return self.machine.add(name, *command, **options)

    def shell(self, name, script, **options):
        return self.add(name, "/bin/sh", "-c", script, **options)

    # asking

    def open(self):
        for _ in range(3):
            start_keeper.start(self.all_paths, self.id, program=PROGRAM)
            start_keeper.wait_until_listening_blocking(self.all_paths, self.id)
            try:
                return Asking(Channel(self.paths.control_socket))
            except NobodyThere:
                continue
        raise AssertionError(self.log)

    def ask(self, message, descriptors=()):
        with self.open() as asking:
            return asking.ask(message, descriptors)

    def start(self, name, **words):
        message, descriptors = self.ask(messages.StartContainer(container_id=name, **words))
        for descriptor in descriptors:
            os.close(descriptor)
        return message.state

    def stop(self, name, **words):
        return self.ask(messages.StopContainer(container_id=name, **words))[0].state

    def remove(self, name, **words):
        self.ask(messages.RemoveContainer(container_id=name, **words))

    def watch(self):
        asking = self.open()
        asking.ask(messages.WatchEvents())
        return Watching(asking)

    def wait_for_supervisor(self):
        """Until one answers, which it does when it has taken over."""
        with self.watch():
            pass

    # looking

    def state(self, name):
        return run_states.read_state(self.machine.container(name), self.paths)

    @property
    def events(self):
        """As a list of sentences."""
        return [
            " ".join([name, action, *(f"{k}={v}" for k, v in words.items())])
            for action, name, words in self.machine.read("events")
        ]

    @property
    def calls(self):
        return [" ".join(map(str, words)) for words in self.machine.read("calls")]

    def output(self, name, **words):
        return b"".join(
            line.text + b"\n"
            for line in read_logs(self.all_paths.data / "logs" / name, name, **words)
        ).decode()

    @property
    def log(self):
        return self.paths.engine_log.read_text() if self.paths.engine_log.exists() else ""

    @property
    def keeper(self):
        return codec.loads(KeeperRecord, self.paths.keeper_record.read_bytes())

    @property
    def is_up(self):
        return sockets.is_listening(self.paths.control_socket)

    # breaking

    def kill_supervisor(self):
        """Returns when it is dead; the keeper starts the next one."""
        kill(self.keeper.supervisor_pid)

    def kill_keeper(self):
        kill(self.keeper.pid)

    def wait_for_end(self, record=None):
        """Until both processes have ended by themselves. `record` is `keeper` from before the end began."""
        record = record or self.keeper
        for pid in (record.pid, record.supervisor_pid):
            wait_for_death(pid)

    def close(self):
        """Whatever a test left behind. Ends only what runs for this root."""
        try:
            record = self.keeper
        except FileNotFoundError:
            return
        for container in self.machine.containers():
            if (
                container.state.pid
                and run_states.start_time(container.state.pid) == container.state.start_time
            ):
                kill(container.state.pid)
        for pid, start_time in (
            (record.pid, record.start_time),
            (record.supervisor_pid, record.supervisor_start_time),
        ):
            if run_states.start_time(pid) == start_time:
                kill(pid)


class Asking:
    """One connection."""

    def __init__(self, channel):
        self.channel = channel

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.channel.close()

    def ask(self, message, descriptors=()):
        self.channel.ask(message, descriptors)
        return self.answer()

    def answer(self):
        self.wait(PATIENCE)
        return self.channel.answer()

    def wait(self, seconds):
        if not self.channel._received:
            assert select.select([self.channel], [], [], seconds)[0], "no answer"


class Watching:
    """Events as they come."""

    def __init__(self, asking):
        self.asking = asking

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.asking.channel.close()

    def next(self):
        message, _ = self.asking.answer()
        return message

    def until(self, action, name=None):
        """The state at the first such event."""
        while True:
            happened = self.next()
            if happened.event.action == action and name in (
                None,
                happened.event.attributes["name"],
            ):
                return happened.state


def kill(pid):
    pidfd = os.pidfd_open(pid)
    with open(pidfd):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert select.select([pidfd], [], [], PATIENCE)[0]


def wait_for_death(pid):
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with open(pidfd):
        assert select.select([pidfd], [], [], PATIENCE)[0], f"{pid} lives: {command_line(pid)}"


def command_line(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def descriptors_of(pid):
    """What is open; a file that is closed while this looks is not."""
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(entry))
    return links
