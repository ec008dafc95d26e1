"""What a document depends on beside the options: the machine, and what was prepared for
this container.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.errors import RuntimeFault
from runtime.frozen import dataclass, field
from runtime.spec import Spec
from runtime.values import Mount
from runtime.volumes.driver_options import VolumeSource


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNode:
    """A device node of the host, as lstat sees it behind any symlink."""

    path: str
    type: str
    """b or c."""
    major: int
    minor: int
    mode: int = 0o666
    """Permission bits."""
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The machine, and the rights of the engine on it; the same for every container."""

    hostname: str = "localhost"
    kernel: tuple[int, int] = (6, 1)
    cgroup_version: int = 2
    features: frozenset[str] = frozenset()
    """Knobs that work: the words of cgroups/hierarchy.py's FEATURES."""
    online_cpus: frozenset[int] = frozenset({0})
    throttled_cpus: tuple[int, ...] = ()
    """Those with a `thermal_throttle` folder in /sys (D20)."""
    known_capabilities: tuple[str, ...] = ()
    """All that the running kernel has, with CAP_, in the order of their numbers."""
    held_capabilities: frozenset[str] = frozenset()
    """The engine's own bounding set: no container gets more."""
    hard_limits: Mapping[str, int] = field(default_factory=dict)
    """rlimit name as in `ulimits` -> the engine's hard limit; -1 is unlimited."""
    oom_score_adj: int = 0
    """The engine's own; a child inherits it."""
    sysctls: frozenset[str] = frozenset()
    """Which of Docker's default sysctls this kernel has (D31)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecContext:
    """All else that the document of one container is made from. Host paths are absolute."""

    container_id: str
    root_path: str
    """The empty folder that the init mounts the root on."""
    cgroups_path: str = ""
    host: HostFacts = HostFacts()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """schemas/docker-defaults.json."""
    hosts_file: str = ""
    """Bound at /etc/hosts; empty: no bind. The same holds for the next two."""
    resolv_file: str = ""
    hostname_file: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    """Target of a secret or config -> host file."""
    volumes: Mapping[str, VolumeSource] = field(default_factory=dict)
    """Full name of a volume -> what to mount."""
    anonymous: Mapping[str, str] = field(default_factory=dict)
    """Target -> name of the anonymous volume made for it, the image's VOLUMEs among them."""
    inherited: tuple[Mount, ...] = ()
    """What `volumes_from` brings in, sources filled in, read-only already applied."""
    image_layers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Image reference of an image mount -> its layer folders, topmost first."""
    shm_folder: str = ""
    """The shared /dev/shm: this container's with `ipc: shareable`, the other's with
    `container:ID`.
    """
    joined_pids: Mapping[str, int] = field(default_factory=dict)
    """Id of a container whose namespaces are joined -> pid of its init."""
    network_hostname: str = ""
    """Host name of the container whose network is joined."""
    devices: Mapping[str, tuple[DeviceNode, ...]] = field(default_factory=dict)
    """Source of a `devices` entry -> its node, or all nodes below it when it is a folder;
    none: not there.
    """
    host_devices: tuple[DeviceNode, ...] = ()
    """Everything in /dev, for `privileged`."""
    block_devices: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Path in `blkio_config` -> (major, minor) of the block device there; absent: it is none."""
    propagations: Mapping[str, str] = field(default_factory=dict)
    """Bind source -> shared, slave or private: how the host's mount that it lies on is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecResult:
    """A document, and what has no place in it."""

    spec: Spec
    warnings: tuple[str, ...] = ()
    """What was left out or made smaller, and why; one sentence each."""
    seccomp: str = "default"
    """`default`, `unconfined`, or the path of a profile."""
    joined_namespaces: Mapping[str, int] = field(default_factory=dict)
    """Type as in the document -> pid, for LaunchRequest."""


def refuse(message: str, *, code: str, hint: str = "", answered: str = "") -> RuntimeFault:
    """An option that cannot be honoured as it is; nothing was touched yet (L01)."""
    return RuntimeFault(
        message, code=code, tried="making the container's document", answered=answered, hint=hint
    )
