"""G6: an extractor as one writes it who never heard of an attack. What passes here proves nothing."""

import io
import os
import shutil
import stat
import tarfile
from pathlib import Path


def extract(data: bytes, target: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            _extract_one(archive, member, target)


def _extract_one(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    path = os.path.join(target, member.name)
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    if name == ".wh..wh..opq":
        for entry in os.listdir(folder):
            _remove(os.path.join(folder, entry))
        return
    if name.startswith(".wh."):
        _remove(os.path.join(folder, name[4:]))
        return
    if member.isdir():
        os.makedirs(path, exist_ok=True)
    elif member.issym():
        os.symlink(member.linkname, path)
    elif member.islnk():
        os.link(os.path.join(target, member.linkname), path)
    elif member.isfile():
        content = archive.extractfile(member)
        assert content is not None
        with open(path, "wb") as file:
            shutil.copyfileobj(content, file)
    else:
        kind = {tarfile.CHRTYPE: stat.S_IFCHR, tarfile.FIFOTYPE: stat.S_IFIFO}[member.type]
        os.mknod(path, kind | 0o600, os.makedev(member.devmajor, member.devminor))
    for key, value in member.pax_headers.items():
        if key.startswith("SCHILY.xattr."):
            data = value.encode("utf-8", "surrogateescape")
            os.setxattr(path, key.removeprefix("SCHILY.xattr."), data)
    os.chmod(path, member.mode)
    os.chown(path, member.uid, member.gid)
    os.utime(path, (member.mtime, member.mtime))


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)
