"""Tar archives for tests, made entry by entry: also the ones that no honest program writes."""

import io
import tarfile
from typing import Any


class Tar:
    """`Tar().folder("a").file("a/b", b"text").bytes`; every call takes TarInfo's fields by name."""

    def __init__(self, *, format: int = tarfile.PAX_FORMAT) -> None:
        self._format = format
        self._data = io.BytesIO()

    def file(self, name: str, content: bytes = b"", **fields: Any) -> "Tar":
        return self._add(name, tarfile.REGTYPE, content, **{"mode": 0o644, **fields})

    def folder(self, name: str, **fields: Any) -> "Tar":
        return self._add(name, tarfile.DIRTYPE, **{"mode": 0o755, **fields})

    def symlink(self, name: str, target: str, **fields: Any) -> "Tar":
        return self._add(name, tarfile.SYMTYPE, linkname=target, **{"mode": 0o777, **fields})

    def hard_link(self, name: str, target: str, **fields: Any) -> "Tar":
        return self._add(name, tarfile.LNKTYPE, linkname=target, **{"mode": 0o644, **fields})

    def node(self, name: str, kind: bytes, major: int = 0, minor: int = 0, **fields: Any) -> "Tar":
        return self._add(name, kind, devmajor=major, devminor=minor, **fields)

    def raw(self, data: bytes) -> "Tar":
        self._data.write(data)
        return self

    def block(self, **changes: bytes) -> "Tar":
        """A header block written by hand, with a right checksum: see `header`."""
        return self.raw(header(**changes))

    def _add(self, name: str, kind: bytes, content: bytes = b"", **fields: Any) -> "Tar":
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, len(content)
        xattrs = fields.pop("xattrs", {})
        info.pax_headers = {
            **fields.pop("pax_headers", {}),
            **{f"SCHILY.xattr.{key}": value for key, value in xattrs.items()},
        }
        for field, value in fields.items():
            setattr(info, field, value)
        self._data.write(info.tobuf(self._format, "utf-8", "surrogateescape"))
        self._data.write(content + b"\0" * (-len(content) % 512))
        return self

    @property
    def open_end(self) -> bytes:
        """Without the blocks that end it."""
        return self._data.getvalue()

    @property
    def bytes(self) -> bytes:
        return self.open_end + b"\0" * 1024


def header(
    *,
    name: bytes = b"file",
    mode: bytes = b"0000644\0",
    uid: bytes = b"0000000\0",
    gid: bytes = b"0000000\0",
    size: bytes = b"00000000000\0",
    mtime: bytes = b"00000000000\0",
    kind: bytes = b"0",
    link: bytes = b"",
    rest: bytes = b"",
) -> bytes:
    before = name.ljust(100, b"\0") + mode + uid + gid + size + mtime
    after = kind + link.ljust(100, b"\0") + (b"ustar\x0000" + rest).ljust(255, b"\0")
    total = sum(before) + sum(after) + 8 * 32
    block = before + f"{total:06o}\0 ".encode() + after
    assert len(block) == 512
    return block
