"""Unpacks a layer's tar stream into a folder that overlayfs stacks: whiteouts become its own.

Every entry is made by one name below an open folder, and symlinks on the way are followed here, in
user space, never above the layer's root: no name in the archive can lead out of it (V60, V61).
The folder is the caller's alone until it is complete; digests, names and rows are store.py's.
Source: the layer chapter of the OCI image specification.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime.errors import RuntimeFault, describe_errno
from runtime.images import lower_view, merging, tar_reader
from runtime.images.tar_reader import BadArchive, Entry, TarReader, show_name
from runtime.linux import faults, openat, syncing
from runtime.linux.overlay_entries import OPAQUE, is_whiteout

MAX_DEPTH = 200
MAX_LINKS = 40
MAX_SIZE = 256 << 30
"""Bytes that one layer may unpack to (V54)."""

# More than one path can hold at once, and fewer than the usual limit of 1024
_OPEN_FOLDERS = 500
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WHITEOUT = b".wh."
_AUFS = b".wh..wh."
_OPAQUE_MARK = b".wh..wh..opq"
# What file systems can hold: years 1901 to 9999 in nanoseconds
_EARLIEST, _LATEST = -(2**31) * 10**9, 253_402_300_799 * 10**9
_NODES = {
    tar_reader.CHARACTER: stat.S_IFCHR,
    tar_reader.BLOCK_DEVICE: stat.S_IFBLK,
    tar_reader.FIFO: stat.S_IFIFO,
}


class Unpacked(NamedTuple):
    """What came out."""

    size: int
    entries: int
    depends_on_lowers: bool
    """Other layers below would have given another folder."""
    is_whole: bool
    """All that shows is in this folder: it must not be stacked on those below."""


class _Folder(NamedTuple):
    descriptor: int
    real: bytes
    """Path below the layer's root, without symlinks."""


def unpack_layer(chunks: Iterable[bytes], target: Path, *, lowers: Sequence[Path] = ()) -> Unpacked:
    """Unpack a plain tar stream into `target`, an empty folder. All of the stream is read, and the
    data of the files is on the disk then; `syncing.sync_names` makes the rest safe.

    `lowers` are the unpacked layers below, topmost first. Raises BadArchive and RuntimeFault; what
    is in the folder then is worth nothing.
    """
    with faults.point("unpack layer"):
        unpacker = _Unpacker(target, lowers)
        try:
            return unpacker.run(TarReader(chunks))
        finally:
            unpacker.close()


class _Unpacker:
    def __init__(self, target: Path, lowers: Sequence[Path]) -> None:
        self._root = _Folder(os.open(target, _FOLDER), b"")
        self._target = target
        self._lowers = lowers
        self._folders: OrderedDict[bytes, _Folder] = OrderedDict()
        self._on_their_way = syncing.FilesOnTheirWay(self._root.descriptor)
        self._times: dict[bytes, int] = {}
        self._whiteouts: set[tuple[bytes, bytes]] = set()
        self._opaque: set[bytes] = set()
        self._depends_on_lowers = self._is_whole = False
        self._owner = (os.geteuid(), os.getegid())
        self._umask = _read_umask()
        self._giving: set[bytes] = set()
        """Folders that may give what is made in them another group or mode than asked for."""
        self._size = 0
        self._entries = 0

    def close(self) -> None:
        self._on_their_way.close()
        self._forget_folders()
        os.close(self._root.descriptor)

    def run(self, reader: TarReader) -> Unpacked:
        for entry in reader:
            try:
                self._add(entry, reader)
            except OSError as error:
                raise self._refused(entry, error) from error
            self._entries += 1
        try:
            self._hide()
            self._set_folder_times()
        except OSError as error:
            raise self._refused_end(error) from error
        self._on_their_way.wait()
        return Unpacked(self._size, self._entries, self._depends_on_lowers, self._is_whole)

    # --- one entry

    def _add(self, entry: Entry, reader: TarReader) -> None:
        path = normal_path(entry.name)
        if path is None:
            self._add_root(entry)
            return
        parent, _, name = path.rpartition(b"/")
        if _WHITEOUT in path and _is_marker(parent, name):
            self._remember_marker(parent, name)
            return
        self._make(self._open_folder(parent), name, entry, reader)

    def _add_root(self, entry: Entry) -> None:
        if entry.type != tar_reader.DIRECTORY:
            raise BadArchive(f"{show_name(entry.name)} would replace the root of the layer")
        self._dress_folder(self._root, entry)

    def _remember_marker(self, parent: bytes, name: bytes) -> None:
        """Applied at the end: a whiteout is meant for the layers below, wherever it stands."""
        if name == _OPAQUE_MARK:
            self._opaque.add(self._open_folder(parent).real)
        elif not name.startswith(_AUFS) and _AUFS not in parent:
            self._whiteouts.add((self._open_folder(parent).real, name.removeprefix(_WHITEOUT)))

    def _make(self, folder: _Folder, name: bytes, entry: Entry, reader: TarReader) -> None:
        match entry.type:
            case tar_reader.REGULAR:
                self._make_file(folder, name, entry, reader.content())
            case tar_reader.DIRECTORY:
                self._make_folder(folder, name, entry)
            case tar_reader.SYMLINK:
                self._make_symlink(folder, name, entry)
            case tar_reader.HARD_LINK:
                self._make_hard_link(folder, name, entry)
            case _ if entry.type in _NODES:
                self._make_node(folder, name, entry)
            case _:
                kind = entry.type.encode("unicode_escape").decode()
                raise BadArchive(f"{show_name(entry.name)} is of an unknown type, {kind}")

    def _make_file(
        self, folder: _Folder, name: bytes, entry: Entry, content: Iterator[memoryview]
    ) -> None:
        self._count(entry.stored)
        descriptor = self._create(folder, name, entry.mode & 0o777)
        try:
            if entry.pieces is None:
                for piece in content:
                    _write_all(descriptor, piece)
            else:
                _write_sparse(descriptor, entry, content)
            self._dress_file(descriptor, folder, entry)
            os.utime(descriptor, ns=_times(entry))
        except BaseException:
            os.close(descriptor)
            raise
        self._on_their_way.add(descriptor, entry.stored)

    def _create(self, folder: _Folder, name: bytes, mode: int) -> int:
        try:
            return os.open(name, _NEW_FILE, mode, dir_fd=folder.descriptor)
        except FileExistsError:
            self._remove(folder, name)
            return os.open(name, _NEW_FILE, mode, dir_fd=folder.descriptor)

    def _dress_file(self, descriptor: int, folder: _Folder, entry: Entry) -> None:
        """A new file often has the right owner and mode already: two calls of six are saved."""
        if (entry.uid, entry.gid) != self._owner or folder.real in self._giving or entry.xattrs:
            _dress(descriptor, entry)
        elif entry.mode & (0o7000 | self._umask):
            os.fchmod(descriptor, entry.mode)

    def _make_folder(self, folder: _Folder, name: bytes, entry: Entry) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=folder.descriptor)
        except FileExistsError:
            status = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                self._remove(folder, name)
                os.mkdir(name, 0o700, dir_fd=folder.descriptor)
        real = _join(folder.real, name)
        made = self._keep(real, _Folder(os.open(name, _FOLDER, dir_fd=folder.descriptor), real))
        self._dress_folder(made, entry)

    def _dress_folder(self, folder: _Folder, entry: Entry) -> None:
        _dress(folder.descriptor, entry)
        if entry.gid != self._owner[1] or entry.mode & stat.S_ISGID or entry.xattrs:
            self._giving.add(folder.real)
        self._times[folder.real] = _times(entry)[1]

    def _make_symlink(self, folder: _Folder, name: bytes, entry: Entry) -> None:
        if not entry.link:
            raise BadArchive(f"the symlink {show_name(entry.name)} points to nothing")
        self._count(len(entry.link))
        try:
            os.symlink(entry.link, name, dir_fd=folder.descriptor)
        except FileExistsError:
            self._remove(folder, name)
            os.symlink(entry.link, name, dir_fd=folder.descriptor)
        _dress_by_name(folder, name, entry)

    def _make_hard_link(self, folder: _Folder, name: bytes, entry: Entry) -> None:
        """Owner, mode and times are those of the file that is linked: nothing is set through it."""
        path = normal_path(entry.link)
        if path is None:
            raise BadArchive(f"{show_name(entry.name)} is a hard link to the root of the layer")
        parent, _, linked = path.rpartition(b"/")
        self._have_link_target(self._open_folder(parent), linked, entry)
        if self._exists(folder, name):
            if self._is_same_file(self._open_folder(parent), linked, folder, name):
                return
            self._remove(folder, name)
            self._have_link_target(self._open_folder(parent), linked, entry)
        source = self._open_folder(parent).descriptor
        os.link(
            linked, name, src_dir_fd=source, dst_dir_fd=folder.descriptor, follow_symlinks=False
        )

    def _is_same_file(self, source: _Folder, linked: bytes, folder: _Folder, name: bytes) -> bool:
        one = os.stat(linked, dir_fd=source.descriptor, follow_symlinks=False)
        other = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
        return os.path.samestat(one, other)

    def _have_link_target(self, source: _Folder, name: bytes, entry: Entry) -> None:
        try:
            status = os.stat(name, dir_fd=source.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            self._copy_from_lowers(source, name, entry)
            return
        if stat.S_ISDIR(status.st_mode):
            raise BadArchive(f"{show_name(entry.name)} is a hard link to a folder")

    def _copy_from_lowers(self, folder: _Folder, name: bytes, entry: Entry) -> None:
        """As overlayfs copies a file up before it links it."""
        with lower_view.look(self._lowers, folder.real, name) as found:
            if found is None or not stat.S_ISREG(found.status.st_mode):
                raise BadArchive(
                    f"{show_name(entry.name)} is a hard link to {show_name(entry.link)},"
                    " which is not there"
                )
            self._depends_on_lowers = True
            self._copy_up(found.parent, name, folder.descriptor)

    def _make_node(self, folder: _Folder, name: bytes, entry: Entry) -> None:
        kind = _NODES[entry.type]
        device = 0 if kind == stat.S_IFIFO else _device(entry)
        if self._exists(folder, name):
            self._remove(folder, name)
        # V60: as a character device 0:0 it would hide a file of the layers below
        if kind == stat.S_IFCHR and device == 0:
            return
        os.mknod(name, kind | 0o600, device, dir_fd=folder.descriptor)
        _dress_by_name(folder, name, entry)
        os.chmod(name, entry.mode, dir_fd=folder.descriptor)

    def _exists(self, folder: _Folder, name: bytes) -> bool:
        try:
            os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _remove(self, folder: _Folder, name: bytes) -> None:
        """What an earlier entry of this archive put there."""
        status = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            _remove_tree(folder.descriptor, name)
        else:
            os.unlink(name, dir_fd=folder.descriptor)
        if stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode):
            # Paths through it lead elsewhere from now on; `folder` itself stays open
            self._forget_folders(but=folder)

    # --- folders on the way

    def _open_folder(self, path: bytes) -> _Folder:
        """The folder that a path of the archive means; what is missing of it is made."""
        if not path:
            return self._root
        if (known := self._folders.get(path)) is not None:
            self._folders.move_to_end(path)
            return known
        return self._walk(path)

    def _walk(self, path: bytes) -> _Folder:
        """One component after the other; a symlink's target takes its place in what is left."""
        waiting = path.split(b"/")[::-1]
        trail: list[_Folder] = [self._root]
        links = 0
        while waiting:
            name = waiting.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":  # only from a symlink; the root is its own parent
                trail = trail[:-1] or trail
                continue
            if len(trail) > MAX_DEPTH:
                raise BadArchive(_too_deep(path), code="E521")
            following = self._step(trail[-1], name)
            if isinstance(following, _Folder):
                trail.append(following)
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if following.startswith(b"/"):
                trail = trail[:1]
            waiting += following.split(b"/")[::-1]
        return self._keep(path, trail[-1])

    def _step(self, folder: _Folder, name: bytes) -> _Folder | bytes:
        """The folder `name`, or where the symlink of that name points."""
        real = _join(folder.real, name)
        if (known := self._folders.get(real)) is not None and known.real == real:
            self._folders.move_to_end(real)
            return known
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=folder.descriptor)
        except FileNotFoundError:
            return self._step_into_lowers(folder, name)
        except NotADirectoryError:
            try:
                return os.readlink(name, dir_fd=folder.descriptor)
            except OSError:
                raise NotADirectoryError(errno.ENOTDIR, "not a folder", real) from None
        return self._keep(real, _Folder(descriptor, real))

    def _step_into_lowers(self, folder: _Folder, name: bytes) -> _Folder | bytes:
        """The archive has no entry for it. A folder below keeps its attributes and time; a symlink
        below is followed; where there is nothing, it is made 0755."""
        self._depends_on_lowers = True
        with lower_view.look(self._lowers, folder.real, name) as found:
            if found is not None and stat.S_ISLNK(found.status.st_mode):
                return found.link
            os.mkdir(name, 0o755, dir_fd=folder.descriptor)
            real = _join(folder.real, name)
            descriptor = os.open(name, _FOLDER, dir_fd=folder.descriptor)
            os.fchmod(descriptor, 0o755)
            if found is not None and stat.S_ISDIR(found.status.st_mode):
                with openat.opened(found.parent, name, _FOLDER) as lower:
                    self._dress_like(lower, descriptor, real)
                self._giving.add(real)
        return self._keep(real, _Folder(descriptor, real))

    def _keep(self, path: bytes, folder: _Folder) -> _Folder:
        """Hold it open for the entries that follow. A path through symlinks gets a duplicate."""
        known = self._folders.pop(path, None)
        if path != folder.real:
            folder = folder._replace(descriptor=os.dup(folder.descriptor))
        if known is not None and known.descriptor != folder.descriptor:
            os.close(known.descriptor)
        self._folders[path] = folder
        if len(self._folders) > _OPEN_FOLDERS:
            os.close(self._folders.popitem(last=False)[1].descriptor)
        return folder

    def _forget_folders(self, *, but: _Folder | None = None) -> None:
        for folder in self._folders.values():
            if but is None or folder.descriptor != but.descriptor:
                os.close(folder.descriptor)
        kept = but is not None and but in self._folders.values()
        self._folders.clear()
        if but is not None and kept:
            self._folders[but.real] = but

    # --- the end

    def _hide(self) -> None:
        if b"" in self._opaque:
            # overlayfs looks for no mark at the root of a layer
            self._is_whole = True
            return
        try:
            self._mark()
        except OSError as error:
            if error.errno not in lower_view.NO_MARKS:
                raise
            self._merge()

    def _merge(self) -> None:
        """Where no mark can be made, what is below is merged rather than hidden."""
        for real, name in self._whiteouts:
            with self._reopened(real) as folder:
                if folder is not None:
                    _remove_whiteout(folder, name)
        merging.merge(
            self._root.descriptor,
            self._lowers,
            merging.Marks(self._whiteouts, self._opaque),
            copy=self._copy_up,
            dress=self._dress_like,
        )
        self._depends_on_lowers = self._is_whole = True

    def _copy_up(self, source: int, name: bytes, target: int) -> None:
        self._on_their_way.add(*_copy_file(source, name, target))

    def _dress_like(self, lower: int, made: int, real: bytes) -> None:
        status = os.fstat(lower)
        _copy_attributes(lower, made, status)
        self._times[real] = status.st_mtime_ns

    def _mark(self) -> None:
        for real, name in sorted(self._whiteouts):
            with self._reopened(real) as folder:
                if folder is not None:
                    self._white_out(folder, real, name)
        for real in sorted(self._opaque):
            with self._reopened(real) as folder:
                if folder is not None:
                    os.setxattr(folder, OPAQUE, b"y")

    def _white_out(self, folder: int, real: bytes, name: bytes) -> None:
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=folder)
        except FileExistsError:
            # This layer has the name as well. A file hides what is below anyway, a folder merges
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                self._opaque.add(_join(real, name))

    def _set_folder_times(self) -> None:
        for real, mtime in self._times.items():
            with self._reopened(real) as folder:
                if folder is not None:
                    os.utime(folder, ns=(mtime, mtime))

    def _reopened(self, real: bytes) -> _Reopened:
        return _Reopened(self._root.descriptor, real)

    # --- limits and errors

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MAX_SIZE:
            raise BadArchive(f"the layer unpacks to more than {MAX_SIZE} bytes", code="E521")

    def _refused_end(self, error: OSError) -> RuntimeFault:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return no_space(self._target, needed=self._size, error=error)
        return RuntimeFault(
            "cannot finish the layer",
            code="E522",
            tried=f"hide what it hides and set times below {self._target}",
            answered=describe_errno(error),
        )

    def _refused(self, entry: Entry, error: OSError) -> RuntimeFault:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return no_space(self._target, needed=self._size, error=error)
        return RuntimeFault(
            f"cannot unpack {show_name(entry.name)}",
            code="E522",
            tried=f"make it below {self._target}",
            answered=describe_errno(error),
        )


class _Reopened:
    """A folder of the layer by its real path, through no symlink; None when it is gone by now."""

    def __init__(self, root: int, real: bytes) -> None:
        self._root = root
        self._real = real
        self._descriptor = -1

    def __enter__(self) -> int | None:
        path = os.fsdecode(self._real) or "."
        flags = os.O_RDONLY | os.O_DIRECTORY
        try:
            self._descriptor = openat.open_plain(self._root, path, flags, same_mount=True)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno != errno.ELOOP:  # a symlink by now
                raise
            return None
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def no_space(folder: Path, *, needed: int, error: OSError) -> RuntimeFault:
    """R15: says where, and how much is wanted at least."""
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    return RuntimeFault(
        f"no space left for an image in {folder.parent}: {max(needed, 1)} bytes or more are needed",
        code="E524",
        tried=f"write below {folder}",
        answered=f"{describe_errno(error)}, {free} bytes and {status.f_favail} files free",
        hint="`pycompose image prune` or `pycompose system prune` frees what nothing uses",
    )


def normal_path(name: bytes) -> bytes | None:
    """The path below the layer's root; None for the root. Raises BadArchive for one outside."""
    path = name.removeprefix(b"./").strip(b"/")
    if b"//" not in path and b"/." not in path and path[:1] != b".":  # most of them need no care
        return _checked_depth(path, name) if path else None
    components: list[bytes] = []
    for component in name.split(b"/"):
        if component == b"..":
            if not components:
                raise BadArchive(f"{show_name(name)} lies outside of the layer", code="E523")
            components.pop()
        elif component not in (b"", b"."):
            components.append(component)
    return _checked_depth(b"/".join(components), name) if components else None


def _checked_depth(path: bytes, name: bytes) -> bytes:
    if path.count(b"/") >= MAX_DEPTH:
        raise BadArchive(_too_deep(name), code="E521")
    return path


def _too_deep(name: bytes) -> str:
    return f"{show_name(name)} is more than {MAX_DEPTH} folders deep"


def _is_marker(parent: bytes, name: bytes) -> bool:
    """Whether it is a whiteout or aufs's own, not a file. Raises BadArchive for a wrong one."""
    folders = [part for part in parent.split(b"/") if part.startswith(_WHITEOUT)]
    if any(not part.startswith(_AUFS) for part in folders):
        raise BadArchive(f"{show_name(parent)} goes through a whiteout", code="E523")
    if folders or name.startswith(_AUFS):
        return True
    hidden = name.removeprefix(_WHITEOUT)
    if hidden != name and hidden in (b"", b".", b".."):
        raise BadArchive(f"{show_name(name)} is a whiteout of nothing", code="E523")
    return hidden != name


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _device(entry: Entry) -> int:
    if entry.major < 0 or entry.minor < 0 or entry.major > 0xFFF or entry.minor > 0xFFFFF:
        raise BadArchive(f"a device number that cannot be: {show_name(entry.name)}")
    return os.makedev(entry.major, entry.minor)


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _write_sparse(descriptor: int, entry: Entry, content: Iterator[memoryview]) -> None:
    rest = memoryview(b"")
    for offset, length in entry.pieces or ():
        os.lseek(descriptor, offset, os.SEEK_SET)
        while length:
            rest = rest or next(content)
            piece, rest = rest[:length], rest[length:]
            length -= len(piece)
            _write_all(descriptor, piece)
    os.ftruncate(descriptor, entry.size)


def _read_umask() -> int:
    """Without changing it, as umask(2) would for all threads; 0o777 when it is not known."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1], 8) for line in file if line.startswith("Umask:"))
    except (OSError, StopIteration):
        return 0o777


def _dress(descriptor: int, entry: Entry) -> None:
    """Owner first: chown takes setuid bits and capabilities away."""
    os.fchown(descriptor, entry.uid, entry.gid)
    os.fchmod(descriptor, entry.mode)
    for name, value in entry.xattrs:
        if _is_kept(name):
            _set_xattr(descriptor, name, value)


def _dress_by_name(folder: _Folder, name: bytes, entry: Entry) -> None:
    where = folder.descriptor
    os.chown(name, entry.uid, entry.gid, dir_fd=where, follow_symlinks=False)
    os.utime(name, ns=_times(entry), dir_fd=where, follow_symlinks=False)


def _is_kept(xattr: bytes) -> bool:
    """V60: `trusted.overlay.*` and `user.overlay.*` would forge redirects and opaque folders;
    labels of a security module belong to the machine where the layer was made.
    """
    if xattr.startswith(b"user."):
        return not xattr.startswith(b"user.overlay.")
    return xattr in (
        b"security.capability",
        b"system.posix_acl_access",
        b"system.posix_acl_default",
    )


def _set_xattr(descriptor: int, name: bytes, value: bytes) -> None:
    try:
        os.setxattr(descriptor, name, value)
    except OSError as error:
        # The file system keeps none of this kind: as Docker, go on without
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise


def _times(entry: Entry) -> tuple[int, int]:
    mtime = min(max(entry.mtime_ns, _EARLIEST), _LATEST)
    return mtime, mtime


def _copy_file(folder: int, name: bytes, into: int) -> tuple[int, int]:
    """Returns the descriptor of the copy and its size."""
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(source)
        target = os.open(name, _NEW_FILE, 0o600, dir_fd=into)
        try:
            while os.sendfile(target, source, None, 1 << 30):
                pass
            _copy_attributes(source, target, status)
            os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
        except BaseException:
            os.close(target)
            raise
        return target, status.st_size
    finally:
        os.close(source)


def _copy_attributes(source: int, target: int, status: os.stat_result) -> None:
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for xattr in os.listxattr(source):
        if _is_kept(os.fsencode(xattr)):
            _set_xattr(target, os.fsencode(xattr), os.getxattr(source, xattr))


def _remove_whiteout(folder: int, name: bytes) -> None:
    try:
        if is_whiteout(os.stat(name, dir_fd=folder, follow_symlinks=False)):
            os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass


def _remove_tree(folder: int, name: bytes) -> None:
    descriptor = os.open(name, _FOLDER, dir_fd=folder)
    try:
        for item in os.scandir(descriptor):
            child = os.fsencode(item.name)
            if item.is_dir(follow_symlinks=False):
                _remove_tree(descriptor, child)
            else:
                os.unlink(child, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=folder)
