"""A layer unpacked: names, links, devices, attributes, whiteouts, and how layers stack."""

import os
import stat
import tarfile
from pathlib import Path

import pytest

from runtime.images.layers import normal_path, unpack_layer
from runtime.images.tar_reader import BadArchive
from runtime.messages import RootFilesystem
from tests.runtime.images.roots import run_in
from tests.runtime.images.tars import Tar, header


def unpacked(tar: Tar, folder: Path, lowers: tuple[Path, ...] = ()) -> Path:
    folder.mkdir()
    unpack_layer([tar.bytes], folder, lowers=lowers)
    return folder


def show(folder: Path) -> str:
    """A line for each entry: type, mode, owner, time, name and what it holds."""
    lines = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        kind = stat.filemode(status.st_mode)
        if path.is_symlink():
            content = f" -> {os.readlink(path)}"
        elif path.is_file():
            content = f" = {path.read_text()}"
        else:
            content = ""
        owner = f"{status.st_uid}:{status.st_gid}"
        lines.append(f"{kind} {owner} {int(status.st_mtime)} {path.relative_to(folder)}{content}")
    return "\n".join(lines)


@pytest.mark.kernel
def test_every_kind_of_entry(tmp_path: Path):
    tar = (
        Tar()
        .folder("./", mode=0o711)
        .folder("dir/", mode=0o2750, uid=5, gid=6, mtime=1_000_000)
        .file("dir/file", b"text", mode=0o4711, uid=1, gid=2, mtime=2_000_000)
        .hard_link("dir/again", "dir/file")
        .symlink("dir/link", "/anywhere/else", uid=3, gid=4, mtime=3_000_000)
        .node("null", tarfile.CHRTYPE, 1, 3, mode=0o666, mtime=4_000_000)
        .node("disk", tarfile.BLKTYPE, 8, 0, mode=0o660, gid=6, mtime=5_000_000)
        .node("pipe", tarfile.FIFOTYPE, mode=0o600, mtime=6_000_000)
    )
    folder = unpacked(tar, tmp_path / "layer")
    assert show(folder) == (
        "drwxr-s--- 5:6 1000000 dir\n"
        "-rws--x--x 1:2 2000000 dir/again = text\n"
        "-rws--x--x 1:2 2000000 dir/file = text\n"
        "lrwxrwxrwx 3:4 3000000 dir/link -> /anywhere/else\n"
        "brw-rw---- 0:6 5000000 disk\n"
        "crw-rw-rw- 0:0 4000000 null\n"
        "prw------- 0:0 6000000 pipe"
    )
    assert (folder / "null").lstat().st_rdev == os.makedev(1, 3)
    assert (folder / "dir/file").samefile(folder / "dir/again")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o711


@pytest.mark.kernel
def test_later_entries_replace_earlier_ones(tmp_path: Path):
    tar = (
        Tar()
        .folder("d", mode=0o700, uid=1, mtime=1)
        .file("f", b"first")
        .symlink("l", "f")
        .file("f", b"last", mtime=7)
        .file("l", b"file", mtime=8)
        .folder("d", mode=0o755, uid=2, mtime=9)
    )
    assert show(unpacked(tar, tmp_path / "layer")) == (
        "drwxr-xr-x 2:0 9 d\n-rw-r--r-- 0:0 7 f = last\n-rw-r--r-- 0:0 8 l = file"
    )


@pytest.mark.kernel
@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_large_numbers(tmp_path: Path, format: int):
    name, target = "/".join(["long-name" * 9] * 5), "t" * 300
    tar = (
        Tar(format=format)
        .file(name, b"x", uid=2_500_000, gid=3_000_000_000, mtime=2**33)
        .symlink("link", target)
        .hard_link("hard", name)
    )
    folder = unpacked(tar, tmp_path / "layer")
    status = (folder / name).stat()
    assert (status.st_uid, status.st_gid, status.st_nlink) == (2_500_000, 3_000_000_000, 2)
    assert os.readlink(folder / "link") == target


@pytest.mark.kernel
def test_names_are_bytes(tmp_path: Path):
    name = b"caf\xe9 \xff".decode("utf-8", "surrogateescape")
    folder = unpacked(Tar().file(name, b"x"), tmp_path / "layer")
    assert os.listdir(os.fsencode(folder)) == [b"caf\xe9 \xff"]


@pytest.mark.kernel
@pytest.mark.parametrize("mtime", [-1, -(2**40), 253_402_300_800, 2**55])
def test_impossible_times_are_bent_to_possible_ones(tmp_path: Path, mtime: int):
    tar = Tar().file("f", pax_headers={"mtime": str(mtime)}).folder("d", mtime=3)
    assert (unpacked(tar, tmp_path / "layer") / "f").exists()


@pytest.mark.kernel
def test_fractions_of_seconds_are_kept(tmp_path: Path):
    tar = Tar().file("f", pax_headers={"mtime": "1234567890.123456789"})
    folder = unpacked(tar, tmp_path / "layer")
    assert (folder / "f").stat().st_mtime_ns == 1234567890_123456789


SPARSE = b"A" * 512 + b"B" * 512
EXPECTED = b"\0" * 4096 + b"A" * 512 + b"\0" * 4096 + b"B" * 512 + b"\0" * 1000


def old_gnu() -> bytes:
    def octal(number: int) -> bytes:
        return f"{number:011o}\0".encode()

    pieces = octal(4096) + octal(512) + octal(8704) + octal(512)
    block = bytearray(header(name=b"s", kind=b"S", size=octal(1024)))
    block[257:265] = b"ustar  \0"
    block[386 : 386 + len(pieces)] = pieces
    block[483:495] = octal(len(EXPECTED))
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block) + SPARSE + b"\0" * 1024


def pax_sparse(version: str) -> bytes:
    size = str(len(EXPECTED))
    match version:
        case "0.0":
            # tarfile writes each key once, so the four records are written by hand
            records = b"".join(
                record(key, value)
                for key, value in (
                    (b"GNU.sparse.size", size.encode()),
                    (b"GNU.sparse.numblocks", b"2"),
                    (b"GNU.sparse.offset", b"4096"),
                    (b"GNU.sparse.numbytes", b"512"),
                    (b"GNU.sparse.offset", b"8704"),
                    (b"GNU.sparse.numbytes", b"512"),
                )
            )
            extended = header(kind=b"x", size=f"{len(records):011o}\0".encode())
            start = extended + records + b"\0" * (-len(records) % 512)
            return start + header(name=b"s", size=b"00000002000\0") + SPARSE + b"\0" * 1024
        case "0.1":
            fields = {"GNU.sparse.size": size, "GNU.sparse.map": "4096,512,8704,512"}
            return Tar().file("s", SPARSE, pax_headers=fields).bytes
    fields = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "s",
        "GNU.sparse.realsize": size,
    }
    lines = b"2\n4096\n512\n8704\n512\n".ljust(512, b"\0")
    return Tar().file("GNUSparseFile.1/s", lines + SPARSE, pax_headers=fields).bytes


def record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    while len(str(length)) + len(key) + len(value) + 3 != length:
        length += 1
    return str(length).encode() + b" " + key + b"=" + value + b"\n"


@pytest.mark.kernel
@pytest.mark.parametrize("version", ["old GNU", "0.0", "0.1", "1.0"])
def test_sparse_files_have_their_holes(tmp_path: Path, version: str):
    data = old_gnu() if version == "old GNU" else pax_sparse(version)
    unpack_layer([data], tmp_path)
    assert (tmp_path / "s").read_bytes() == EXPECTED


@pytest.mark.kernel
def test_a_sparse_gigabyte_takes_no_room(tmp_path: Path):
    fields = {"GNU.sparse.size": str(1 << 30), "GNU.sparse.map": f"{(1 << 30) - 512},512"}
    unpack_layer([Tar().file("s", b"x" * 512, pax_headers=fields).bytes], tmp_path)
    status = (tmp_path / "s").stat()
    assert status.st_size == 1 << 30
    assert status.st_blocks < 100


@pytest.mark.kernel
def test_attributes_that_belong_to_the_file_are_kept(tmp_path: Path):
    xattrs = {"user.note": "yes", "trusted.other": "no", "security.selinux": "no"}
    folder = unpacked(Tar().file("f", xattrs=xattrs).folder("d", xattrs=xattrs), tmp_path / "l")
    assert os.listxattr(folder / "f") == ["user.note"]
    assert os.listxattr(folder / "d") == ["user.note"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no tar" * 200, "not a tar archive: b'arno tar' is no number"),
        (header().replace(b"file", b"lied"), "not a tar archive: a header's checksum is wrong"),
        (Tar().file("f", b"x" * 2000).open_end[:1000], "ends in the middle of a file"),
        (header()[:300], "ends in the middle of an entry"),
        (header(size=b"not octal...") + b"\0" * 1024, "b'not octal...' is no number"),
    ],
)
def test_a_damaged_archive_is_refused(data: bytes, message: str, tmp_path: Path):
    with pytest.raises(BadArchive, match=message):
        unpack_layer([data], tmp_path)


@pytest.mark.kernel
@pytest.mark.parametrize(
    "data",
    [
        Tar().file("f", b"x").open_end,
        Tar().file("f", b"x").bytes + b"garbage after the end",
        Tar().file("f", b"x").open_end + b"\0" * 512,
    ],
    ids=["no end mark", "garbage after it", "half of it"],
)
def test_what_follows_the_last_entry_does_not_matter(data: bytes, tmp_path: Path):
    unpack_layer([data], tmp_path)
    assert (tmp_path / "f").read_text() == "x"


@pytest.mark.kernel
@pytest.mark.parametrize("size", [1, 7, 511, 512, 513, 4096])
def test_the_size_of_the_chunks_does_not_matter(tmp_path: Path, size: int):
    data = Tar().file("a", b"x" * 1500).folder("d").file("d/b", b"y" * 700).bytes
    unpack_layer([data[at : at + size] for at in range(0, len(data), size)], tmp_path)
    assert (tmp_path / "a").read_bytes() == b"x" * 1500
    assert (tmp_path / "d" / "b").read_bytes() == b"y" * 700


@pytest.mark.kernel
def test_more_folders_than_are_held_open(tmp_path: Path):
    tar = Tar()
    for number in range(400):
        tar.folder(f"d{number}").folder(f"d{number}/e")
    for number in range(400):
        tar.file(f"d{number}/e/f", str(number).encode())
    folder = unpacked(tar, tmp_path / "layer")
    assert [(folder / f"d{number}/e/f").read_text() for number in range(400)] == [
        str(number) for number in range(400)
    ]


# --- layers on layers


def stack(tmp_path: Path, *layers: Tar) -> RootFilesystem:
    """The layers unpacked one on the other, and a root over them."""
    lowers: tuple[Path, ...] = ()
    for number, tar in enumerate(layers):
        lowers = (unpacked(tar, tmp_path / f"l{number}", lowers), *lowers)
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    return RootFilesystem(
        lowers=tuple(map(str, lowers)), upper=str(tmp_path / "upper"), work=str(tmp_path / "work")
    )


def look(tmp_path: Path, *layers: Tar, script: str = "find . -mindepth 1 | sort") -> str:
    return run_in(stack(tmp_path, *layers), script, chroot=False)


BASE = Tar().folder("d").file("d/a", b"1").file("d/b", b"2").file("f", b"3").folder("e").file("e/x")


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("above", "expected"),
    [
        (Tar().file("d/.wh.a"), "./d ./d/b ./e ./e/x ./f"),
        (Tar().file(".wh.d"), "./e ./e/x ./f"),
        (Tar().file("d/.wh..wh..opq"), "./d ./e ./e/x ./f"),
        (Tar().folder("d").file("d/.wh..wh..opq").file("d/n"), "./d ./d/n ./e ./e/x ./f"),
        (Tar().file("d/n").file("d/.wh..wh..opq"), "./d ./d/n ./e ./e/x ./f"),
        (Tar().file(".wh.d").folder("d").file("d/n"), "./d ./d/n ./e ./e/x ./f"),
        (Tar().folder("d").file("d/n").file(".wh.d"), "./d ./d/n ./e ./e/x ./f"),
        (Tar().file("d", b"file"), "./d ./e ./e/x ./f"),
        (Tar().folder("f").file("f/n"), "./d ./d/a ./d/b ./e ./e/x ./f ./f/n"),
        (Tar().file(".wh.f").file("f"), "./d ./d/a ./d/b ./e ./e/x ./f"),
        (Tar().file(".wh.not-there"), "./d ./d/a ./d/b ./e ./e/x ./f"),
    ],
)
def test_whiteouts_hide_what_is_below(tmp_path: Path, above: Tar, expected: str):
    assert look(tmp_path, BASE, above).split() == expected.split()


@pytest.mark.kernel
def test_a_folder_that_the_archive_leaves_out_keeps_its_attributes(tmp_path: Path):
    base = Tar().folder("tmp", mode=0o1777, uid=7, gid=8, mtime=1000)
    root = stack(tmp_path, base, Tar().file("tmp/x"))
    script = 'stat -c "%a %u:%g %Y" tmp'
    assert run_in(root, script, chroot=False) == "1777 7:8 1000\n"


@pytest.mark.kernel
def test_a_symlink_below_is_followed_not_replaced(tmp_path: Path):
    """As with the merged /usr: an image built elsewhere still brings its files in /lib."""
    base = Tar().folder("usr").folder("usr/lib").symlink("lib", "usr/lib").file("usr/lib/a")
    assert look(tmp_path, base, Tar().file("lib/b"), script="ls -d lib/* usr/lib/*").split() == (
        ["lib/a", "lib/b", "usr/lib/a", "usr/lib/b"]
    )


@pytest.mark.kernel
def test_a_hard_link_to_a_file_of_a_lower_layer(tmp_path: Path):
    base = Tar().file("f", b"text", uid=5, mode=0o640, mtime=1000)
    script = 'cat g; stat -c "%u %a %h" f g'
    assert look(tmp_path, base, Tar().hard_link("g", "f"), script=script) == (
        "text5 640 2\n5 640 2\n"
    )


@pytest.mark.kernel
def test_the_unpacker_says_when_the_result_depends_on_the_layers_below(tmp_path: Path):
    for number, (tar, expected) in enumerate(
        [(Tar().folder("d").file("d/f"), False), (Tar().file("d/f"), True)]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert unpack_layer([tar.bytes], folder).depends_on_lowers is expected


@pytest.mark.kernel
def test_127_layers_stack(tmp_path: Path):
    layers = [Tar().folder("d").file(f"d/{number}") for number in range(127)]
    assert len(look(tmp_path, *layers, script="ls d").split()) == 127


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"a/b", b"a/b"),
        (b"./a", b"a"),
        (b"/a//b/", b"a/b"),
        (b"a/./b/../c", b"a/c"),
        (b".", None),
        (b"", None),
        (b"/", None),
        (b"a/..", None),
        (b"..a", b"..a"),
        (b".a/b..", b".a/b.."),
    ],
)
def test_paths_are_made_normal(name: bytes, expected: bytes | None):
    assert normal_path(name) == expected


@pytest.mark.parametrize("name", [b"..", b"../a", b"a/../../b", b"/..", b"./.././a"])
def test_paths_that_lead_out_are_refused(name: bytes):
    with pytest.raises(BadArchive, match="lies outside of the layer"):
        normal_path(name)


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_long_name_that_is_cut_behind_a_slash_is_still_a_file(tmp_path: Path, format: int):
    name = f"{'d' * 99}/{'f' * 50}"
    folder = unpacked(
        Tar(format=format).file(name, b"text", mtime=1).file("b", b"after"), tmp_path / "layer"
    )
    assert (folder / name).read_text() == "text"
    assert (folder / "b").read_text() == "after"
