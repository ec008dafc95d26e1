"""A Machine in a folder: rows and events are JSON files, so that test and supervisor both see them.

Containers are plain processes (tests/fakes/births.py). What the supervisor asks for is written to
`calls`, one line each. With the label `full` nothing can be written down of a container once it runs; with `slow`
its removal goes on until the test has made the file `go`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import socket
from pathlib import Path

from runtime import codec, tasks
from runtime.errors import InUse, NotFound, RuntimeFault
from runtime.messages import Configure, ExecRequest, LaunchRequest, RootFilesystem
from runtime.paths import Paths
from runtime.state import run_states
from runtime.supervisor.machine import Attached, PreparedLaunch
from runtime.supervisor.main import CHANNEL
from runtime.values import ContainerOptions, ContainerRecord, ImageConfig, PublishedPort

NO_IMAGE = ImageConfig()
LAID = (("root", "empty", 0o700, 0, 0, ""),)


class FolderMachine:
    def __init__(self, paths: Paths, project_id: str) -> None:
        self.paths = paths
        self.project = paths.project(project_id)
        self.folder = paths.data / "fake"
        self.folder.mkdir(parents=True, exist_ok=True)

    def close(self):
        pass

    # rows

    def containers(self):
        return tuple(self.container(path.stem) for path in sorted(self.folder.glob("*.json")))

    def container(self, container_id):
        try:
            record = codec.loads(
                ContainerRecord, (self.folder / f"{container_id}.json").read_bytes()
            )
        except FileNotFoundError:
            raise NotFound(f"no such container: {container_id}") from None
        state = run_states.stored_state(self.project, container_id)
        import dataclasses

        return dataclasses.replace(record, state=state) if state else record

    def add(self, name, *command, image=NO_IMAGE, **options):
        """A container's row, by the test."""
        record = ContainerRecord(
            id=name,
            project_id=self.project.run.name,
            options=ContainerOptions(
                project="p", name=name, service=name, command=command, **options
            ),
            image=image,
        )
        self.store(record)
        return record

    def store(self, record):
        path = self.folder / f"{record.id}.json"
        path.with_suffix(".tmp").write_text(codec.dumps(record))
        path.with_suffix(".tmp").rename(path)

    def set_desired(self, container_id, desired):
        self.note("desired", container_id, desired)

    def write_state(self, container_id, state):
        if self._is_full(container_id) and state.started_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        run_states.write_state(self.project, container_id, state)

    def append_events(self, events):
        for event in events:
            if self._is_full(event.id):
                raise RuntimeFault("the state database cannot be used", answered="disk full")
            words = {
                key: event.attributes[key]
                for key in ("exitCode", "signal", "cause")
                if key in event.attributes
            }
            self._append("events", [event.action, event.attributes["name"], words])

    def _is_full(self, container_id):
        with contextlib.suppress(NotFound):
            return "full" in self.container(container_id).options.labels

    def log_folder(self, record):
        folder = self.paths.data / "logs" / record.id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # runs

    async def prepare_launch(self, record, *, generation):
        self.note("prepare", record.id)
        labels = record.options.labels
        if "unprepared" in labels or ("once" in labels and generation > 1):
            raise RuntimeFault("cannot be prepared", code="E999", tried="x", answered="y")
        held = {}
        for number, _port in enumerate(record.options.ports):
            listener = socket.socket()
            listener.bind(("127.0.0.1", 0))
            held[f"port{number or ''}"] = listener.detach()
        return PreparedLaunch(
            request=LaunchRequest(
                container_id=record.id,
                generation=generation,
                spec={"process": self._process(record.options.command, record.options)},
                root=RootFilesystem(laid=LAID if "laid" in record.options.labels else ()),
                resolver="resolver" in record.options.labels,
                log_folder=str(self.log_folder(record)),
            ),
            held=held,
        )

    async def attach(self, record, prepared, *, forked, pidfd):
        self.note("attach", record.id)
        if "garbage" in record.options.labels:
            os.write(CHANNEL, b"\xff" * 8)
        if "unattached" in record.options.labels:
            raise RuntimeFault("cannot be attached", code="E998")
        ports = tuple(
            PublishedPort(
                container_port=port.container_port,
                protocol="tcp",
                host_ip="0.0.0.0",
                host_port=40000,
            )
            for port in record.options.ports
        )
        return Attached(configure=Configure(container_id=record.id), ports=ports)

    async def serve(self, record, descriptors):
        self.note("serve", record.id, *sorted(descriptors))
        await tasks.sleep_forever()

    async def release(self, record, *, networks_go=False):
        await self.kill(record)
        self.note("release", record.id, *(["networks go"] if networks_go else []))
        if "leaky" in record.options.labels:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def leave_networks(self, record):
        self.note("leave networks", record.id)

    async def settle(self, pids):
        self.note("settle")

    async def remove_strays(self, kept):
        pass

    async def sweep(self):
        pass

    async def maintain(self):
        await tasks.sleep_forever()

    async def prepare_exec(self, record, options, *, exec_id):
        return ExecRequest(
            exec_id=exec_id,
            container_id=record.id,
            pid=0,
            start_time=0,
            process=self._process(options.command, options),
        )

    @staticmethod
    def _process(command, options):
        return {
            "args": list(command),
            "env": [f"{key}={value}" for key, value in options.environment.items()],
            "terminal": options.tty,
        }

    async def freeze(self, record):
        os.kill(self._pid(record), signal.SIGSTOP)

    async def thaw(self, record):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid(record), signal.SIGCONT)

    def oom_kills(self, record):
        return 0

    def open_oom_notices(self, record):
        return None

    async def kill(self, record):
        pid = self._pid(record)
        if pid and run_states.start_time(pid) == self.container(record.id).state.start_time:
            os.kill(pid, signal.SIGKILL)

    def _pid(self, record):
        return self.container(record.id).state.pid

    # the end

    async def remove_container(self, record, *, volumes):
        await self._wait_if("slow to begin", record)
        (self.folder / f"{record.id}.json").unlink(missing_ok=True)
        await self._wait_if("slow", record)
        run_states.forget(self.project, record.id)
        shutil.rmtree(self.log_folder(record))
        self.note("remove", record.id)

    async def _wait_if(self, label, record):
        while label in record.options.labels and not (self.folder / "go").exists():
            await tasks.sleep(0.01)

    async def remove_network(self, network_id):
        raise InUse(f"network {network_id} has active endpoints")

    async def remove_project(self, *, volumes):
        self.note("remove project", volumes)

    # for tests

    def note(self, *words):
        self._append("calls", list(words))

    def _append(self, name, value):
        with open(self.folder / name, "a") as file:
            file.write(json.dumps(value) + "\n")

    def read(self, name):
        path: Path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
