"""What is mounted in a container, and in which order.

Docker's defaults first, without those that the options replace, then everything else by depth, so
that parents stand before their children (L23). Targets are paths inside the container: the init
resolves them there. Source: 1.3, L25-L30, D03, and Docker's tmpfs options.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from runtime import spec
from runtime.containers.spec.context import SpecContext, refuse
from runtime.containers.spec.namespaces import Modes
from runtime.containers.spec.security import SecurityOptions
from runtime.frozen import dataclass
from runtime.values import ContainerOptions, Mount
from runtime.volumes.driver_options import VolumeSource

_ALWAYS_WRITABLE = ("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
"""Of the defaults, these stay so under a read-only root."""
_RECURSIVE_READ_ONLY = (5, 12)
"""The kernel that brought mount_setattr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounts:
    """The document's mounts, and what they ask of the root."""

    mounts: list[spec.Mount]
    propagation: str = ""
    """`rootfsPropagation`; empty: the usual."""
    has_own_dev: bool = False
    """The options bring a /dev of their own: no node is made in it (L32)."""


def build_mounts(
    options: ContainerOptions, security: SecurityOptions, modes: Modes, context: SpecContext
) -> Mounts:
    """Raises RuntimeFault for what cannot be mounted as it is asked for."""
    asked = collect(options, context)
    made = [_build(mount, context) for mount in asked] + _file_mounts(options, context)
    targets = {entry["destination"] for entry in made}
    made += _network_files(options, context, targets)
    made += _shared_memory(modes, context, targets)
    made.sort(key=lambda entry: _depth(entry["destination"]))
    defaults = _defaults(options, security, modes, context)
    return Mounts(
        mounts=[entry for entry in defaults if not _is_replaced(entry, targets, made)] + made,
        propagation=_root_propagation(asked, context),
        has_own_dev="/dev" in targets,
    )


def collect(options: ContainerOptions, context: SpecContext) -> tuple[Mount, ...]:
    """Each target once: the options' own, then what `volumes_from` brings, then anonymous volumes
    of the image. Raises RuntimeFault when the options name one twice.
    """
    chosen: dict[str, Mount] = {}
    for mount in options.mounts:
        target = clean_target(mount.target)
        if target in chosen:
            raise refuse(f"two mounts have the target `{target}`", code="E311")
        chosen[target] = mount
    for mount in context.inherited:
        chosen.setdefault(clean_target(mount.target), mount)
    for target, name in context.anonymous.items():
        chosen.setdefault(clean_target(target), Mount(type="volume", source=name, target=target))
    return tuple(chosen.values())


def clean_target(target: str) -> str:
    """Absolute, without `.`, `..` and doubled slashes. L30: neither the root nor anything
    in /proc.
    """
    path = "/" + os.path.normpath(target).lstrip("/")
    if not target.startswith("/") or "\0" in target:
        raise refuse(f"the mount target `{target}` is not an absolute path", code="E311")
    if path == "/":
        raise refuse("nothing can be mounted on the container's `/`", code="E311")
    if path == "/proc" or (path.startswith("/proc/") and path not in _OVER_PROC):
        raise refuse(
            f"nothing can be mounted on `{path}`",
            code="E311",
            answered="the engine writes through /proc on its way into the container",
        )
    return path


_OVER_PROC = frozenset(
    f"/proc/{name}"
    for name in (
        *("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"),
        *("sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"),
    )
)
"""Files that lxcfs and the like stand in for."""


def _depth(path: str) -> int:
    return path.rstrip("/").count("/")


def _defaults(
    options: ContainerOptions, security: SecurityOptions, modes: Modes, context: SpecContext
) -> Iterator[spec.Mount]:
    for entry in context.defaults["mounts"]:
        target, words = entry["destination"], list(entry["options"])
        if target == "/dev/shm":
            # L29: none for ipc `none`; with `host`, `shareable` and `container:` a shared one
            if modes.ipc != "private":
                continue
            words = [_sized(word, options.shm_size) for word in words]
        if entry["type"] == "sysfs" and options.privileged:
            words.remove("ro")
        if entry["type"] == "cgroup" and (options.privileged or security.writable_cgroups):
            words.remove("ro")
        if options.read_only and target not in _ALWAYS_WRITABLE and "ro" not in words:
            words.append("ro")
        yield spec.Mount(
            destination=target, type=entry["type"], source=entry["source"], options=words
        )


def shared_memory_options(options: ContainerOptions, context: SpecContext) -> tuple[str, ...]:
    """Of the tmpfs that stands for /dev/shm with `ipc: shareable`: what a private one is given."""
    words = next(
        entry["options"]
        for entry in context.defaults["mounts"]
        if entry["destination"] == "/dev/shm"
    )
    return tuple(_sized(word, options.shm_size) for word in words)


def _sized(word: str, size: int | None) -> str:
    return f"size={size}" if size and word.startswith("size=") else word


def _is_replaced(entry: spec.Mount, targets: set[str], made: list[spec.Mount]) -> bool:
    """Also all below a /dev of the options' own, and the default for a shared /dev/shm."""
    target = entry["destination"]
    if target in targets or (target.startswith("/dev/") and "/dev" in targets):
        return True
    return any(each["destination"] == target for each in made)


def _network_files(
    options: ContainerOptions, context: SpecContext, targets: set[str]
) -> list[spec.Mount]:
    """Files of ours (D40, D44). The engine changes them from outside; below a read-only root the
    container may not, or it had three files without a limit on the host's disk.
    """
    access = "ro" if options.read_only else "rw"
    files = {
        "/etc/resolv.conf": context.resolv_file,
        "/etc/hostname": context.hostname_file,
        "/etc/hosts": context.hosts_file,
    }
    return [
        spec.Mount(
            destination=target, type="bind", source=source, options=["rbind", access, "rprivate"]
        )
        for target, source in files.items()
        if source and target not in targets
    ]


def _shared_memory(modes: Modes, context: SpecContext, targets: set[str]) -> list[spec.Mount]:
    if modes.ipc in ("private", "none") or "/dev/shm" in targets or "/dev" in targets:
        return []
    source = "/dev/shm" if modes.ipc == "host" else context.shm_folder
    if not source:
        raise refuse(
            "the other container keeps its shared memory to itself",
            code="E311",
            hint="give it `ipc: shareable`",
        )
    options = ["rbind", "nosuid", "noexec", "nodev", "rprivate"]
    return [spec.Mount(destination="/dev/shm", type="bind", source=source, options=options)]


def _file_mounts(options: ContainerOptions, context: SpecContext) -> list[spec.Mount]:
    """Secrets and configs: read-only files, written or found by volumes/files.py."""
    return [
        spec.Mount(
            destination=clean_target(file.target),
            type="bind",
            source=context.files[file.target],
            options=["rbind", "ro", "rprivate"],
        )
        for file in options.files
    ]


def _build(mount: Mount, context: SpecContext) -> spec.Mount:
    target = clean_target(mount.target)
    match mount.type:
        case "bind":
            return _bind(mount, target, context, source=mount.source, read_only=mount.read_only)
        case "volume":
            return _volume(mount, target, context)
        case "tmpfs":
            words = tmpfs_options(mount, context.defaults["tmpfs_options"])
            return spec.Mount(destination=target, type="tmpfs", source="tmpfs", options=words)
        case "image":
            return _image(mount, target, context)
    raise refuse(
        f"a mount of type `{mount.type}` at `{target}` is not possible here",
        code="E311",
        hint="it is bind, volume, tmpfs or image",
    )


def _bind(
    mount: Mount, target: str, context: SpecContext, *, source: str, read_only: bool
) -> spec.Mount:
    words = ["bind" if mount.recursive == "disabled" else "rbind"]
    words += _read_only(mount, context) if read_only else ["rw"]
    words.append(_propagation(mount, context))
    made = spec.Mount(destination=target, type="bind", source=source, options=words)
    if mount.subpath:
        made["subpath"] = mount.subpath
    return made


def _read_only(mount: Mount, context: SpecContext) -> list[str]:
    """L27: everything below as well, since Docker 25, where the kernel can; `readonly` insists."""
    if mount.recursive == "readonly" and context.host.kernel < _RECURSIVE_READ_ONLY:
        raise refuse(
            f"the mount at `{mount.target}` cannot be made read-only recursively",
            code="E311",
            answered="this kernel is older than 5.12",
            hint="leave `recursive` out to make its top read-only alone",
        )
    whole = mount.recursive in ("", "enabled", "readonly")
    return ["ro", "rro"] if whole and context.host.kernel >= _RECURSIVE_READ_ONLY else ["ro"]


def _propagation(mount: Mount, context: SpecContext) -> str:
    """L28: what the host's mount is not, the container's cannot be."""
    word = mount.propagation or "rprivate"
    kind = word.removeprefix("r")
    allowed = {"shared": ("shared",), "slave": ("shared", "slave")}.get(kind)
    if allowed is not None and context.propagations.get(mount.source, "private") not in allowed:
        raise refuse(
            f"`{mount.source}` cannot be mounted with propagation `{word}`",
            code="E311",
            answered=f"on the host it lies on a mount that is not {' or '.join(allowed)}",
            hint="`mount --make-shared` of that mount allows it, or leave `propagation` out",
        )
    if kind not in ("private", "shared", "slave"):
        raise refuse(f"`propagation: {word}` is not known", code="E311")
    return word


def _root_propagation(asked: Iterable[Mount], context: SpecContext) -> str:
    """A shared mount stays a peer of the host's only below a root that was not made a slave."""
    words = {mount.propagation.removeprefix("r") for mount in asked if mount.type == "bind"}
    if "shared" in words:
        return "shared"
    return "rslave" if "slave" in words else ""


def _volume(mount: Mount, target: str, context: SpecContext) -> spec.Mount:
    name = mount.source or context.anonymous.get(mount.target, "")
    source = context.volumes.get(name)
    if source is None:
        raise refuse(f"there is no volume `{name}` for `{target}`", code="E311")
    if source.path:
        read_only = mount.read_only or "ro" in source.options
        return _bind(mount, target, context, source=source.path, read_only=read_only)
    return _file_system(mount, target, source)


def _file_system(mount: Mount, target: str, source: VolumeSource) -> spec.Mount:
    """A local volume with `driver_opts`: mounted anew in each container, as mount(8) would."""
    if mount.subpath:
        raise refuse(
            f"the volume at `{target}` has no folder: `subpath` is not possible", code="E311"
        )
    words = [*source.options, *(["ro"] if mount.read_only else [])]
    return spec.Mount(destination=target, type=source.type, source=source.device, options=words)


def _image(mount: Mount, target: str, context: SpecContext) -> spec.Mount:
    """The content of another image, read-only."""
    layers = context.image_layers.get(mount.source, ())
    if not layers:
        raise refuse(f"image `{mount.source}` for `{target}` is not here", code="E311")
    words = ["rbind", "ro", "rro", "rprivate"]
    made = spec.Mount(
        destination=target, type="bind", source=mount.source, layers=list(layers), options=words
    )
    if mount.subpath:
        made["subpath"] = mount.subpath
    return made


_TMPFS_FLAGS = (
    ("noexec", "exec"),
    ("nosuid", "suid"),
    ("nodev", "dev"),
    ("ro", "rw"),
    ("sync", "async"),
    ("noatime", "atime"),
    ("nodiratime", "diratime"),
    ("norelatime", "relatime"),
    ("nostrictatime", "strictatime"),
    ("dirsync",),
    ("mand", "nomand"),
)
_TMPFS_PROPAGATION = ("rprivate", "private", "rshared", "shared", "rslave", "slave")
_TMPFS_VALUES = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol")


def tmpfs_options(mount: Mount, defaults: Iterable[str]) -> list[str]:
    """Docker's noexec, nosuid, nodev and rprivate, then the options': a later word puts its
    opposite out.

    Raises RuntimeFault for a word that tmpfs does not know.
    """
    chosen: dict[str, str] = {}
    for word in (*defaults, "rprivate", *mount.options, *_tmpfs_fields(mount)):
        chosen.pop(_group(word, mount), None)
        chosen[_group(word, mount)] = word
    return list(chosen.values())


def _tmpfs_fields(mount: Mount) -> Iterator[str]:
    if mount.read_only:
        yield "ro"
    if mount.size:
        yield f"size={mount.size}"
    if mount.mode is not None:
        yield f"mode={mount.mode:o}"
    if mount.uid is not None:
        yield f"uid={mount.uid}"
    if mount.gid is not None:
        yield f"gid={mount.gid}"


def _group(word: str, mount: Mount) -> str:
    """Words of one group exclude each other."""
    for group in (*_TMPFS_FLAGS, _TMPFS_PROPAGATION):
        if word in group:
            return group[0]
    name, equals, value = word.partition("=")
    if name in _TMPFS_VALUES and equals and value:
        return name
    raise refuse(
        f"`{word}` is no option of a tmpfs",
        code="E311",
        answered=f"at `{mount.target}`",
        hint=f"known: {', '.join(flag for group in _TMPFS_FLAGS for flag in group)},"
        f" {'=, '.join(_TMPFS_VALUES)}=",
    )
