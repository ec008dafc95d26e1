"""The OCI runtime-spec document as types: what `containers/spec/` writes and `init/` carries out.

The names are the specification's (runtime-spec 1.3, config-linux), so a document from elsewhere
fits as it is; only what we act on is declared. Where a key is ours its docstring says so. Nothing
here checks anything: a TypedDict is a plain dict at run time, which is what travels in a
LaunchRequest.
"""

from __future__ import annotations

from typing import TypedDict


class ConsoleSize(TypedDict):
    height: int
    width: int


class User(TypedDict, total=False):
    """Who the process runs as: numbers, or `username`, which wins."""

    uid: int
    gid: int
    umask: int
    additionalGids: list[int]
    username: str
    """Ours: text as in Compose's `user` (`name`, `1000`, `name:group`, `1000:1000`). The init
    resolves it with the container's own /etc/passwd and /etc/group, by Docker's rules (D34); `uid`
    and `gid` are then ignored."""
    additionalGroups: list[str]
    """Ours: `group_add`, names or numbers, resolved like `username`."""


class Capabilities(TypedDict, total=False):
    """Names with CAP_. A missing set is empty."""

    bounding: list[str]
    effective: list[str]
    permitted: list[str]
    inheritable: list[str]
    ambient: list[str]


class Rlimit(TypedDict):
    type: str
    """`RLIMIT_NOFILE`."""
    soft: int
    """-1 is unlimited, here and in `hard`."""
    hard: int


class Scheduler(TypedDict, total=False):
    policy: str
    nice: int
    priority: int


class Process(TypedDict, total=False):
    """`process`: what to execute and with which rights. `args[0]` is looked up in PATH of `env`."""

    terminal: bool
    consoleSize: ConsoleSize
    user: User
    args: list[str]
    env: list[str]
    cwd: str
    capabilities: Capabilities
    rlimits: list[Rlimit]
    noNewPrivileges: bool
    oomScoreAdj: int
    scheduler: Scheduler
    reaper: bool
    """Ours: stay PID 1 as a small reaper that forwards signals (Compose's `init: true`)."""


class Root(TypedDict, total=False):
    path: str
    """The empty folder that the root is mounted on."""
    readonly: bool


class Mount(TypedDict, total=False):
    """One mount, in order. `type` bind (or an option bind/rbind) binds the host path `source`; type
    `cgroup` shows the container's own groups, whatever the host's version."""

    destination: str
    type: str
    source: str
    options: list[str]
    """Flags (`ro`, `nosuid`, ...), recursive ones (`rro`, ...), propagation (`rslave`, ...), the
    rest as file system data (`size=64m`)."""
    subpath: str
    """Ours: mount this path below `source`, resolved there without leaving it; others can write
    there."""
    layers: list[str]
    """Ours: bind what these folders are together, topmost first; `source` is their name."""


class Device(TypedDict, total=False):
    """A node to make below the root; the usual six need not be named."""

    type: str
    """c, b, u or p."""
    path: str
    major: int
    minor: int
    fileMode: int
    uid: int
    gid: int


class Namespace(TypedDict, total=False):
    """`type` is mount, pid, network, ipc, uts, cgroup, user or time. Absent: the host's. With
    `path`: that one."""

    type: str
    path: str


class IdMapping(TypedDict):
    containerID: int
    hostID: int
    size: int


class DeviceRule(TypedDict, total=False):
    allow: bool
    type: str
    major: int
    minor: int
    access: str


class CpuResources(TypedDict, total=False):
    shares: int
    quota: int
    burst: int
    period: int
    realtimeRuntime: int
    realtimePeriod: int
    cpus: str
    mems: str
    idle: int


class MemoryResources(TypedDict, total=False):
    limit: int
    reservation: int
    swap: int
    """Memory and swap together, as v1 counts."""
    kernelTCP: int
    swappiness: int
    disableOOMKiller: bool


class PidsResources(TypedDict):
    limit: int


class BlockWeight(TypedDict, total=False):
    major: int
    minor: int
    weight: int


class BlockThrottle(TypedDict):
    major: int
    minor: int
    rate: int


class BlockResources(TypedDict, total=False):
    weight: int
    weightDevice: list[BlockWeight]
    throttleReadBpsDevice: list[BlockThrottle]
    throttleWriteBpsDevice: list[BlockThrottle]
    throttleReadIOPSDevice: list[BlockThrottle]
    throttleWriteIOPSDevice: list[BlockThrottle]


class Resources(TypedDict, total=False):
    """What `cgroups/limits.py` turns into files."""

    devices: list[DeviceRule]
    cpu: CpuResources
    memory: MemoryResources
    pids: PidsResources
    blockIO: BlockResources
    unified: dict[str, str]


class Linux(TypedDict, total=False):
    namespaces: list[Namespace]
    uidMappings: list[IdMapping]
    gidMappings: list[IdMapping]
    devices: list[Device]
    cgroupsPath: str
    resources: Resources
    rootfsPropagation: str
    """private, slave, shared, unbindable or the same with a leading r; absent: rslave."""
    maskedPaths: list[str]
    readonlyPaths: list[str]
    sysctl: dict[str, str]


class Spec(TypedDict, total=False):
    """The whole document."""

    ociVersion: str
    process: Process
    root: Root
    hostname: str
    domainname: str
    mounts: list[Mount]
    annotations: dict[str, str]
    linux: Linux
