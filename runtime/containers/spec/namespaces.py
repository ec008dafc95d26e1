"""Which namespaces a container has of its own, joins, or shares with the host (D30)."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.containers.spec.context import SpecContext, refuse
from runtime.frozen import dataclass
from runtime.spec import Namespace
from runtime.values import ContainerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """For each kind: `private`, `host`, or `container:ID`; ipc also `shareable` and `none`,
    network `none`.
    """

    pid: str
    ipc: str
    uts: str
    network: str
    cgroup: str

    def is_own(self, kind: str) -> bool:
        """True when the namespace is this container's and nobody's before it."""
        mode: str = getattr(self, kind)
        return mode != "host" and not mode.startswith("container:")

    def joins(self) -> Mapping[str, str]:
        """Kind -> id of the container whose namespace it is."""
        modes = {kind: getattr(self, kind) for kind in ("pid", "ipc", "uts", "network")}
        return {
            kind: mode.partition(":")[2]
            for kind, mode in modes.items()
            if mode.startswith("container:")
        }


_ALLOWED = {
    "pid": ("private", "host", "container"),
    "ipc": ("private", "shareable", "none", "host", "container"),
    "uts": ("private", "host", "container"),
    "network": ("private", "none", "host", "container"),
    "cgroup": ("private", "host"),
}


def find_modes(options: ContainerOptions, *, cgroup_version: int) -> Modes:
    """The options' words with Docker's defaults filled in. Raises RuntimeFault for words
    that mean nothing.
    """
    if options.userns_mode not in ("", "host"):
        raise refuse(
            f"`userns_mode: {options.userns_mode}` cannot be honoured",
            code="E314",
            hint="leave it out: containers run in the host's user namespace",
        )
    modes = Modes(
        pid=_mode("pid", options.pid),
        ipc=_mode("ipc", options.ipc),
        uts=_mode("uts", options.uts),
        network=_mode("network", options.network_mode, attribute="network_mode"),
        # D30, section 2.2: with v1 controllers Docker shows the container the host's view
        cgroup=_mode("cgroup", options.cgroup or ("private" if cgroup_version == 2 else "host")),
    )
    _check_hostname(options, modes)
    return modes


def _mode(kind: str, given: str, *, attribute: str = "") -> str:
    word, _, container = given.partition(":")
    word = word or "private"
    if word not in _ALLOWED[kind] or (word == "container") != bool(container):
        raise refuse(
            f"`{attribute or kind}: {given}` is no mode that a container can have",
            code="E314",
            hint=f"it is one of {', '.join(_ALLOWED[kind]).replace('container', 'service:NAME')}",
        )
    return f"{word}:{container}" if container else word


def _check_hostname(options: ContainerOptions, modes: Modes) -> None:
    if not options.hostname:
        return
    for attribute, mode in (("uts", modes.uts), ("network_mode", modes.network)):
        if mode.startswith("container:") or (attribute == "uts" and mode == "host"):
            raise refuse(
                f"`hostname` and `{attribute}: {mode}` exclude each other",
                code="E314",
                hint=f"the host name comes with `{attribute}`; leave `hostname` out",
            )


def find_hostname(options: ContainerOptions, modes: Modes, context: SpecContext) -> str:
    """What the container calls itself: D44's first twelve digits, unless it shares
    somebody's name.
    """
    if options.hostname:
        return options.hostname
    if modes.uts == "host" or modes.network == "host":
        return context.host.hostname
    if modes.network.startswith("container:") and context.network_hostname:
        return context.network_hostname
    return context.container_id[:12]


def build_namespaces(modes: Modes, context: SpecContext) -> tuple[list[Namespace], dict[str, int]]:
    """The document's list, and type -> pid of those that are joined. Raises RuntimeFault."""
    joined = {kind: _pid(kind, container, context) for kind, container in modes.joins().items()}
    namespaces = [Namespace(type="mount")]
    for kind in ("pid", "network", "ipc", "uts"):
        if kind in joined:
            path = f"/proc/{joined[kind]}/ns/{_FILES[kind]}"
            namespaces.append(Namespace(type=kind, path=path))
        elif modes.is_own(kind):
            namespaces.append(Namespace(type=kind))
    if modes.cgroup == "private":
        namespaces.append(Namespace(type="cgroup"))
    return namespaces, joined


_FILES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts"}


def _pid(kind: str, container: str, context: SpecContext) -> int:
    pid = context.joined_pids.get(container, 0)
    if not pid:
        raise refuse(
            f"cannot join the {kind} namespace of container {container[:12]}: it does not run",
            code="E314",
            hint="start it first; with `depends_on` it is started before",
        )
    return pid
