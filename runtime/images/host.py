"""`image: host`: the machine's own file system, copy on write, without what is private. No image,
no registry.

Overlay of `/` under a layer of what hides the rest (host_view.py decides it), which each init lays
in memory, so that an upper holds nothing but what its container changed. /etc, /run and /var are
those of a template (host_template.py), which a container keeps for life. It comes in on the first
of three ways that the machine allows: redirects to it within `/`, a further lower on another file
system (on the same one the kernel answers ELOOP), or a copy into each upper. Source: DESIGN.md 6.
"""

from __future__ import annotations

import functools
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime.images import uppers
from runtime.images.host_template import copy_template, ensure_template, remove_unused
from runtime.images.host_view import (
    MADE_ANEW,
    MountPoint,
    View,
    entry_like,
    is_within,
    mount_of,
    survey,
)
from runtime.linux import faults, files
from runtime.linux.overlay_entries import REDIRECT, Entry, is_opaque, lay_entries
from runtime.messages import RootFilesystem
from runtime.paths import Paths
from runtime.values import ImageConfig

REFERENCE = "host"
SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
    "loongarch64": ("loong64", ""),
    "mips64": ("mips64le", ""),
}
# As long as one `up` takes: ten services should not read /etc ten times
_VIEW_SECONDS = 2.0
_TEMPLATE = "template"
"""Beside the upper: a symlink with the name of the container's template."""


class _Look(NamedTuple):
    view: View
    can_redirect: bool
    at: float


class _Template(NamedTuple):
    path: Path
    way: str
    """How it comes in: redirect, lower, copy."""
    at: float


def host_config() -> ImageConfig:
    """What `host` says about its containers. The id is that of the distribution's release and
    architecture.
    """
    architecture, variant = machine_architecture()
    try:
        release = Path("/etc/os-release").read_bytes()
    except OSError:
        release = b""
    identity = hashlib.sha256(b"host\0" + architecture.encode() + b"\0" + release)
    return ImageConfig(
        id=f"sha256:{identity.hexdigest()}",
        reference=REFERENCE,
        command=("/bin/sh",),
        environment=(SEARCH_PATH,),
        architecture=architecture,
        variant=variant,
    )


def machine_architecture() -> tuple[str, str]:
    """(architecture, variant) of this machine in the words of image configs."""
    machine = os.uname().machine
    return ARCHITECTURES.get(machine, (machine, ""))


class HostImage:
    """`/` as an image."""

    def __init__(
        self, paths: Paths, *, top: Path = Path("/"), mounts: Sequence[MountPoint] | None = None
    ) -> None:
        self._top = top
        self._store = paths.images / "host"
        self._containers = paths.containers
        self._hidden = tuple(Path(os.path.realpath(path)) for path in (paths.data, paths.run))
        self._mounts = mounts
        self._follows_redirects = follows_redirects()
        self._look: _Look | None = None
        self._prepared: _Template | None = None

    def root_filesystem(self, upper: Path, work: Path) -> RootFilesystem:
        """Prepare the container's folder, unless that was done, and say how the root is mounted."""
        look = self._look_around()
        template = self._ensure_template(upper)
        lowers = [str(self._top)]
        if not look.can_redirect and (lower := template or self._further_lower()):
            lowers.insert(0, str(lower))
        return RootFilesystem(
            lowers=tuple(lowers),
            laid=self._laid_over(template, look) if template else (),
            upper=str(upper),
            work=str(work),
            inner_binds=look.view.inner_binds,
        )

    def prepare(self) -> _Template:
        """Read the machine, unless that was done a moment ago. May be called early, beside other
        work.
        """
        if self._prepared is None or time.monotonic() - self._prepared.at > _VIEW_SECONDS:
            self._prepared = self._prepare(self._look_around())
        return self._prepared

    def _ensure_template(self, upper: Path) -> Path | None:
        """The one that the container has, or gets; None for an upper that hides by itself."""
        if (name := _template_of(upper)) is None:
            return None if self._hides_by_itself(upper) else self._begin(upper)
        if (other := _redirect_of(upper)) and (self._store / other).is_dir():
            return None  # the supervisor of an earlier version, which was still there, has laid it
        template = self._store / name
        return template if template.is_dir() else self._begin(upper)

    def _hides_by_itself(self, upper: Path) -> bool:
        """Whether it was laid whole: with a copy of the template, or by an earlier version. Judged
        by what is a mount point in every container, so that nobody inside can have made it."""
        names = [name for name in ("dev", "proc", "sys") if (self._top / name).is_dir()]
        return bool(names) and all(is_opaque(upper / name) for name in names)

    def _begin(self, upper: Path) -> Path | None:
        """Give it the template of today; None when its upper holds all of it."""
        template = self.prepare()
        if template.way == "copy":
            _lay_upper(upper, self._look_around().view.over_root, template.path)
            return None
        files.ensure_directory(upper, mode=0o755)
        with faults.point("choose host template"):
            link = upper.with_name(_TEMPLATE)
            link.unlink(missing_ok=True)
            link.symlink_to(template.path.name)
        return template.path

    def _further_lower(self) -> Path | None:
        """For an upper of an earlier version, which hides by itself but has no /etc."""
        template = self.prepare()
        return template.path if template.way == "lower" else None

    def _laid_over(
        self, template: Path, look: _Look
    ) -> tuple[tuple[str, str, int, int, int, str], ...]:
        entries = look.view.over_root
        if look.can_redirect:
            entries = (*entries, *self._redirected(template), *look.view.shown_of_var)
        return tuple((*entry,) for entry in entries)

    def _look_around(self) -> _Look:
        now = time.monotonic()
        if self._look is None or now - self._look.at > _VIEW_SECONDS:
            mounts = read_mounts() if self._mounts is None else self._mounts
            can_redirect = self._follows_redirects and self._lies_on_the_top(mounts)
            view = survey(self._top, hidden=self._hidden, mounts=mounts, can_redirect=can_redirect)
            self._look = _Look(view, can_redirect, now)
        return self._look

    def _prepare(self, look: _Look) -> _Template:
        files.ensure_directory(self._store)
        skeleton = look.view.skeleton
        template, is_new = ensure_template(self._top, self._store, skeleton, hidden=self._hidden)
        if is_new:
            remove_unused(self._store, self._used_templates())
        if look.can_redirect:
            return _Template(template, "redirect", look.at)
        is_elsewhere = template.stat().st_dev != self._top.stat().st_dev
        can_be_lower = is_elsewhere and is_opaque(template / "etc")
        return _Template(template, "lower" if can_be_lower else "copy", look.at)

    def _used_templates(self) -> Iterator[str]:
        for container in os.scandir(self._containers):
            upper = uppers.find(Path(container.path))
            yield from filter(None, (_template_of(upper), _redirect_of(upper)))

    def _lies_on_the_top(self, mounts: Sequence[MountPoint]) -> bool:
        """Whether overlay, which crosses no mount, can reach the templates below the top."""
        store, top = os.path.realpath(self._store), str(self._top)
        return is_within(store, top) and mount_of(store, mounts) == mount_of(top, mounts)

    def _redirected(self, template: Path) -> Iterator[Entry]:
        place = os.path.relpath(os.path.realpath(template), self._top)
        for name in MADE_ANEW:
            if (template / name).is_dir():
                yield entry_like(template, name, "folder", target=f"/{place}/{name}")


@functools.cache
def host_image(paths: Paths) -> HostImage:
    """The one of this process: what it read of the machine serves all containers of an `up`."""
    return HostImage(paths)


def _template_of(upper: Path) -> str | None:
    """The name that stands beside the upper."""
    try:
        return os.readlink(upper.with_name(_TEMPLATE))
    except OSError:
        return None


def _redirect_of(upper: Path) -> str | None:
    """The name of the template that the upper itself leads to, if an earlier version laid it."""
    try:
        target = os.fsdecode(os.getxattr(upper / "etc", REDIRECT))
    except OSError:
        return None
    return target.removesuffix("/etc").rpartition("/")[2]


def _lay_upper(upper: Path, entries: Sequence[Entry], template: Path) -> None:
    """It gets its name last: an upper without some of its whiteouts would show what they hide."""
    building = files.own_name_beside(upper)
    with faults.point("lay host upper"):
        building.mkdir()
        building.chmod(0o755)
        lay_entries(str(building), entries)
        copy_template(template, building)
    with faults.point("name host upper"):
        building.rename(upper)


def follows_redirects() -> bool:
    """Whether overlayfs follows a redirect without being asked to; so it does unless it was built
    otherwise.
    """
    try:
        parameters = Path("/sys/module/overlay/parameters")
        return "Y" in (
            (parameters / "redirect_always_follow").read_text().strip(),
            (parameters / "redirect_dir").read_text().strip(),
        )
    except OSError:
        return True


def read_mounts() -> tuple[MountPoint, ...]:
    """The mounts of this process's namespace; of several on one point the topmost, which is the
    last.
    """
    found: dict[str, MountPoint] = {}
    for mount in _parse_mountinfo(Path("/proc/self/mountinfo").read_text(errors="surrogateescape")):
        found.pop(mount.path, None)
        found[mount.path] = mount
    return tuple(found.values())


def _parse_mountinfo(text: str) -> Iterator[MountPoint]:
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        path = before.split(" ")[4]
        for escape, character in (
            ("\\040", " "),
            ("\\011", "\t"),
            ("\\012", "\n"),
            ("\\134", "\\"),
        ):
            path = path.replace(escape, character)
        yield MountPoint(path, after.split(" ", 1)[0])
