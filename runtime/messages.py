"""Every message between our processes, one dataclass each, and the frame they travel in.

    CLI  <-- control.sock -->  supervisor  <-- socketpair -->  keeper  <-- socketpair -->  init

A frame is a 4-byte big-endian length, a byte that counts descriptors, and JSON
`{"v":1,"id":N,"m":NAME,"b":{...}}`. `id` ties a reply to its request (0: nobody asked). Descriptors
ride on the frame's first byte by SCM_RIGHTS, at most `MAX_DESCRIPTORS` a frame (the kernel takes
253). A reader ignores fields it does not know and takes defaults for missing ones, so neighbouring
versions understand each other (R41). Standard library only: the keeper imports this.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from runtime import codec
from runtime.frozen import dataclass, field
from runtime.values import Event, ExecOptions, RunState

VERSION = 1
MAX_DESCRIPTORS = 240
MAX_FRAME = 32 * 1024 * 1024
_HEADER = struct.Struct(">IB")


class ProtocolError(Exception):
    """What arrived is no frame of ours, or the peer is gone in the middle of one."""


# --- CLI -> supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First on every connection; the answer is Welcome. EOF before it: the keeper is just ending,
    connect anew."""

    version: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    version: int = VERSION
    supervisor_pid: int = 0
    keeper_pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """It is done, and there is nothing more to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A RuntimeFault on its way to the caller; `kind` is the class's name in runtime.errors."""

    message: str
    kind: str = "RuntimeFault"
    code: str = "E300"
    tried: str = ""
    answered: str = ""
    hint: str = ""
    exit_code: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer:
    """Answered by ContainerStarted when the user's program has been executed (its exec succeeded).

    With `handed_stdio` three descriptors come along and become the process's stdin, stdout and
    stderr without a copy; with `tty` in the container's options and `handed_stdio`, none come and
    the answer carries the pty master.
    """

    container_id: str
    handed_stdio: bool = False
    columns: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStarted:
    state: RunState
    warnings: tuple[str, ...] = ()
    """What was left out or made smaller, and why; one sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopContainer:
    """Answered by ContainerStopped. `grace` None: the container's own; -1: for ever (L60)."""

    container_id: str
    grace: float | None = None
    by_hand: bool = True
    """Restart policy unless-stopped honours it."""
    comes_back: bool = False
    """It, or what takes its place, is started next: whoever follows its log stays."""
    networks_go: bool = False
    """The project's networks are removed next. Those that nothing runs on any more go with the
    container's links, for one wait of the kernel instead of two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStopped:
    state: RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class KillContainer:
    container_id: str
    signal: str = "SIGKILL"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseContainer:
    container_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpauseContainer:
    container_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveContainer:
    """Stops (kills) it first when `force`; removes row, files and kernel objects. Anonymous volumes
    when asked."""

    container_id: str
    force: bool = False
    volumes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNetwork:
    """Removes bridge and row. Answered by Failure(kind="InUse") while an endpoint is on it."""

    network_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecInContainer:
    """Answered by ExecStarted, later by ExecEnded. Carries three descriptors, none with `tty` or
    `detach`."""

    container_id: str
    options: ExecOptions
    columns: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecStarted:
    """With `tty` it carries the pty master; the caller resizes it himself."""

    exec_id: str
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecEnded:
    exec_id: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachContainer:
    """Answered by Attached: stdin's write end, or the pty master."""

    container_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    tty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvents:
    """Answered by Done at once (from here on nothing is missed), then by Happened under the same
    id, until EOF."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event, with the container's state after it when it is about one."""

    event: Event
    state: RunState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeLease:
    """The project ends with its owner: carries a pidfd of the owner. Answered by Done."""

    volumes: bool = True


# --- supervisor <-> keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupPlan:
    """Where a container's processes go. The folders exist and their limits are set before this is
    sent."""

    unified: str = ""
    """Absolute folder in the v2 (or hybrid v2) tree; empty where there is none."""
    legacy: tuple[str, ...] = ()
    """Absolute folders in v1 hierarchies; the process joins each by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFilesystem:
    """The root, mounted by the init in its own mount namespace: nothing ever shows in the host's
    mount table."""

    lowers: tuple[str, ...] = ()
    """Overlay lowers, topmost first. Without `upper`: a single folder, bound."""
    laid: tuple[tuple[str, str, int, int, int, str], ...] = ()
    """Entries (linux/overlay_entries.py) of a layer above the lowers that lives as long as the
    mount does; the init lays them."""
    upper: str = ""
    work: str = ""
    volatile: bool = False
    inner_binds: tuple[tuple[str, str], ...] = ()
    """(host path, path inside): file systems below the lower that overlay does not cross; bound
    read-only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """All that keeper and init need to start one container."""

    container_id: str
    generation: int
    spec: Mapping[str, Any]
    """The OCI runtime-spec document; `root.path` is the empty folder to mount on."""
    root: RootFilesystem = RootFilesystem()
    cgroup: CgroupPlan = CgroupPlan()
    seccomp_program: bytes = b""
    """Assembled cBPF; empty: none."""
    joined_namespaces: Mapping[str, int] = field(default_factory=dict)
    """type (as in the spec: network, ipc, pid, uts) -> pid of the container whose namespace is
    joined."""
    uid_mappings: tuple[tuple[int, int, int], ...] = ()
    gid_mappings: tuple[tuple[int, int, int], ...] = ()
    resolver: bool = False
    """Open UDP and TCP sockets for the resolver inside the network namespace and hand them out with
    Ready."""
    asks_inside: bool = False
    """With `resolver`: a further socket of the namespace, to ask servers on its own loopback."""
    stdio: str = "pipes"
    """pipes (keeper makes them), handed (three descriptors come along), tty."""
    open_stdin: bool = False
    """pipes: keep a write end of stdin; else stdin is /dev/null."""
    columns: int = 0
    rows: int = 0
    log_folder: str = ""
    """pipes, tty: where the keeper writes the output itself when no supervisor can be kept alive;
    empty: nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """Reply to LaunchRequest: the init waits in its namespaces for Configure. Carries its pidfd."""

    container_id: str
    pid: int
    start_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """The network is attached; what the init itself has to send on a netlink socket in its
    namespace, in order."""

    container_id: str
    route_batches: tuple[bytes, ...] = ()
    """NETLINK_ROUTE requests, each one or more nlmsghdr with NLM_F_ACK on the last."""
    netfilter_batches: tuple[bytes, ...] = ()
    """NETLINK_NETFILTER batches (the DNS redirect). The placeholders for ports: see
    init/network.py."""
    network_sysctls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Second reply to LaunchRequest: the user's program was executed.

    `descriptors` names what comes along, in order: stdout, stderr, stdin, pty, resolver-udp,
    resolver-tcp.
    """

    container_id: str
    descriptors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFailed:
    """Instead of Forked or Running. `exit_code` 125, 126 or 127; `step` is the sequence's (`L22
    bind_rootfs`)."""

    container_id: str
    step: str = ""
    message: str = ""
    answered: str = ""
    hint: str = ""
    exit_code: int = 125
    oom_killed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """What the keeper writes down about an init: before "run", and again at its exit."""

    container_id: str
    generation: int
    pid: int
    start_time: int
    boot_id: str = ""
    started_at: float = 0.0
    exit_code: int | None = None
    """None: runs. 128+n for a signal."""
    finished_at: float = 0.0
    oom_kills: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """Unasked, when the record is written."""

    record: ProcessRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecRequest:
    """A further process in a container. `process` is the OCI process object. Carries stdio unless
    `tty`."""

    exec_id: str
    container_id: str
    pid: int
    """The container's init."""
    start_time: int
    process: Mapping[str, Any] = field(default_factory=dict)
    seccomp_program: bytes = b""
    cgroup: CgroupPlan = CgroupPlan()
    tty: bool = False
    columns: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecForked:
    """The exec's program was executed; carries the pty master with `tty`, then a pidfd."""

    exec_id: str
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecFailed:
    exec_id: str
    message: str = ""
    answered: str = ""
    hint: str = ""
    exit_code: int = 126


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecExited:
    exec_id: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Keep the descriptors that come along under these names until Release: they outlive the
    supervisor."""

    owner: str
    """A container id, or `project`."""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    owner: str
    names: tuple[str, ...] = ()
    """Empty: all of the owner's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """A new supervisor asks for everything held; answered by any number of Held and then Roster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    owner: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Every init that the keeper forked and that runs, and those that ended but whose output nobody
    has released yet. A process that is not here is no child of this keeper (R11)."""

    processes: tuple[ProcessRecord, ...] = ()
    lays_entries: bool = False
    """Whether its inits know `RootFilesystem.laid`: one of an older version would leave it out, and
    with it what hides the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndIfIdle:
    """The supervisor has nothing to do. Refused (Failure) while a client queues or a container
    runs; else the keeper removes the socket under its lock and ends both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperRecord:
    """No message: keeper.json, by which others find the two processes of a project."""

    pid: int
    start_time: int
    boot_id: str = ""
    supervisor_pid: int = 0
    supervisor_start_time: int = 0


# --- keeper <-> init


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """From the init: all but the last steps are done. `descriptors` as in Running; the answer is
    Run."""

    descriptors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """To the init: execute the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """From the init, its last word."""

    step: str
    message: str
    answered: str = ""
    hint: str = ""
    exit_code: int = 125


# --- frames


def pack(message: Any, request_id: int = 0, *, descriptors: int = 0) -> bytes:
    """The frame of a message."""
    envelope = {
        "v": VERSION,
        "id": request_id,
        "m": type(message).__name__,
        "b": codec.encode(message),
    }
    body = json.dumps(envelope, separators=(",", ":")).encode()
    return _HEADER.pack(len(body), descriptors) + body


def send(
    connection: socket.socket, message: Any, request_id: int = 0, descriptors: Sequence[int] = ()
) -> None:
    """Send one frame, blocking. The caller keeps (and closes) its descriptors."""
    frame = pack(message, request_id, descriptors=len(descriptors))
    sent = 0
    if descriptors:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        sent = connection.sendmsg([frame], rights)
    connection.sendall(frame[sent:])


class Frames:
    """Bytes in, messages out; one per connection. Holds descriptors until the frame they belong to
    is whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._descriptors: list[int] = []

    def feed(
        self, data: bytes, descriptors: Sequence[int] = ()
    ) -> list[tuple[Any, int, list[int]]]:
        """(message, request id, descriptors) for each frame that is now whole. Raises
        ProtocolError."""
        self._buffer += data
        self._descriptors += descriptors
        whole = []
        while (frame := self._take()) is not None:
            whole.append(frame)
        return whole

    def close(self) -> None:
        """Close descriptors of a frame that never became whole."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()

    def _take(self) -> tuple[Any, int, list[int]] | None:
        if len(self._buffer) < _HEADER.size:
            return None
        length, count = _HEADER.unpack_from(self._buffer)
        if length > MAX_FRAME:
            raise ProtocolError(f"a frame of {length} bytes")
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        descriptors, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return (*unpack(body), descriptors)


def unpack(body: bytes) -> tuple[Any, int]:
    """(message, request id) of a frame's body. Raises ProtocolError."""
    try:
        envelope = json.loads(body)
        kind = globals()[envelope["m"]]
        return codec.decode(kind, envelope["b"]), envelope["id"]
    except (KeyError, ValueError, TypeError) as error:
        raise ProtocolError(f"not a message: {body[:200]!r}") from error


def receive(connection: socket.socket, frames: Frames) -> list[tuple[Any, int, list[int]]]:
    """Whatever one recvmsg brings. An empty list is an unfinished frame; raises EOFError at the
    end."""
    data, ancillary, _flags, _address = connection.recvmsg(
        1 << 18,
        socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize),
        socket.MSG_CMSG_CLOEXEC,
    )
    descriptors: list[int] = []
    for level, kind, payload in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers = array.array("i")
            numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
            descriptors += numbers
    if not data:
        raise EOFError("the peer closed the connection")
    return frames.feed(data, descriptors)
