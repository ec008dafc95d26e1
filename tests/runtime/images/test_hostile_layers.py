"""V60, V61: archives made to write outside, to overwrite, or to forge what overlayfs believes.

Each case runs against our own unpacker, and as a control (G6) against naive_extractor.py, which must
fall for it. Around the target lies a folder with a canary that nobody may touch.
"""

import os
import random
import stat
import string
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from runtime.errors import RuntimeFault
from runtime.images.layers import unpack_layer
from tests.fakes import poor_disks
from tests.runtime.images import naive_extractor
from tests.runtime.images.tars import Tar, header

pytestmark = pytest.mark.kernel

CAPABILITY = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"


class Place(NamedTuple):
    target: Path
    outside: Path

    def text(self, path: str) -> str:
        return (self.target / path).read_text()

    def status(self, path: str) -> os.stat_result:
        return os.lstat(self.target / path)

    def xattrs(self, path: str) -> list[str]:
        return os.listxattr(self.target / path, follow_symlinks=False)


Check = Callable[[Place], bool]


class Case(NamedTuple):
    """`check` None: it must be refused. `fools_naive` False: the naive one refuses it as well."""

    name: str
    make: Callable[[str], bytes]
    """Gets the absolute path of the folder outside."""
    check: Check | None
    fools_naive: bool = True


def inside(path: str, text: str = "evil") -> Check:
    return lambda place: place.text(path) == text


def always(_place: Place) -> bool:
    return True


def path_max(outside: str) -> bytes:
    """CVE-2025-4517: `realpath` gives up on what is longer than PATH_MAX, and checks nothing."""
    tar, path = Tar(), ""
    for letter in string.ascii_lowercase[:15]:
        long = letter * 247
        tar.folder(f"{path}{long}")
        tar.symlink(f"{path}{letter}", long)
        path += f"{long}/"
    short = "/".join(string.ascii_lowercase[:15])
    tar.symlink(f"{short}/{'l' * 200}", "../" * 15)
    tar.symlink("escape", f"{short}/{'l' * 200}/../{Path(outside).name}")
    return tar.file("escape/canary", b"evil").bytes


def deep(names: int) -> bytes:
    tar = Tar()
    for number in range(names):
        tar.symlink(f"l{number}", f"l{number + 1}")
    return tar.symlink(f"l{names}", "../outside").file("l0/canary", b"evil").bytes


def pax(**records: str) -> dict[str, str]:
    return {key.replace("_", "."): value for key, value in records.items()}


REFUSED = None
CASES = [
    Case("an absolute name", lambda out: Tar().file(f"{out}/canary", b"evil").bytes, always),
    Case("a name that goes up", lambda _: Tar().file("../outside/canary", b"evil").bytes, REFUSED),
    Case(
        "a name that goes down and up",
        lambda _: Tar().folder("a").file("a/../../outside/canary", b"evil").bytes,
        REFUSED,
    ),
    Case("the root as a file", lambda _: Tar().file(".", b"evil").bytes, REFUSED, False),
    Case("no name", lambda _: Tar().block(name=b"").bytes, REFUSED, False),
    Case("only slashes", lambda _: Tar().symlink("///", "../outside").bytes, REFUSED, False),
    Case(
        "a child of an absolute symlink",
        lambda out: Tar().symlink("d", out).file("d/canary", b"evil").bytes,
        always,
    ),
    Case(
        "a child of a symlink that goes up",
        lambda _: Tar().symlink("d", "../outside").file("d/canary", b"evil").bytes,
        inside("outside/canary"),
    ),
    Case(
        "a child of a symlink to the parent of all",
        lambda out: Tar().symlink("d", "../" * 30 + out[1:]).file("d/canary", b"evil").bytes,
        always,
    ),
    Case(
        "a folder made through a symlink",
        lambda _: Tar().symlink("d", "../outside").folder("d/new").bytes,
        lambda place: (place.target / "outside/new").is_dir(),
    ),
    Case("a chain of 30 symlinks", lambda _: deep(30), inside("outside/canary")),
    Case("a chain of 50 symlinks", lambda _: deep(50), REFUSED, False),
    Case("a path longer than PATH_MAX", path_max, always),
    Case(
        "a file in place of a dangling symlink",
        lambda _: Tar().symlink("f", "../outside/new").file("f", b"evil").bytes,
        inside("f"),
    ),
    Case(
        "a file in place of a symlink to a file",
        lambda _: Tar().symlink("f", "../outside/canary").file("f", b"evil").bytes,
        inside("f"),
    ),
    Case(
        "a folder in place of a symlink to a folder",
        lambda _: Tar().symlink("d", "../outside").folder("d", mode=0o700).file("d/x").bytes,
        lambda place: stat.S_ISDIR(place.status("d").st_mode),
    ),
    Case(
        "the mode of a symlink",
        lambda _: Tar().symlink("l", "../outside/canary", mode=0o666).bytes,
        always,
    ),
    Case(
        "the owner of a symlink",
        lambda _: Tar().symlink("l", "../outside/canary", uid=1000, mode=0o600).bytes,
        lambda place: place.status("l").st_uid == 1000,
    ),
    Case(
        "a hard link to a file outside",
        lambda _: Tar().hard_link("h", "../outside/canary", mode=0o666).bytes,
        REFUSED,
    ),
    Case(
        "a hard link to an absolute path",
        lambda out: Tar().hard_link("h", f"{out}/canary", mode=0o666).bytes,
        REFUSED,
    ),
    Case(
        "a hard link through a symlink",
        lambda _: Tar().symlink("d", "../outside").hard_link("h", "d/canary", mode=0o666).bytes,
        REFUSED,
    ),
    Case(
        "a hard link to a symlink, and its mode",
        lambda _: (
            Tar()
            .symlink("s", "../outside/canary", mode=0o600)
            .hard_link("h", "s", mode=0o666)
            .bytes
        ),
        lambda place: stat.S_ISLNK(place.status("h").st_mode),
    ),
    Case(
        "a file written through a hard link to a symlink",
        lambda _: (
            Tar()
            .symlink("s", "../outside/canary", mode=0o600)
            .hard_link("h", "s", mode=0o600)
            .file("h", b"evil")
            .bytes
        ),
        inside("h"),
    ),
    Case(
        "a file written through a hard link",
        lambda _: Tar().file("a", b"good").hard_link("h", "a").file("h", b"evil").bytes,
        inside("a", "good"),
    ),
    Case(
        "the mode of a hard link",
        lambda _: Tar().file("a", mode=0o600).hard_link("h", "a", mode=0o4777).bytes,
        lambda place: place.status("a").st_mode & 0o7777 == 0o600,
    ),
    Case(
        "the owner of a hard link",
        lambda _: Tar().file("a", uid=0).hard_link("h", "a", uid=1000).bytes,
        lambda place: place.status("a").st_uid == 0,
    ),
    Case(
        "the extended attributes of a hard link",
        lambda _: Tar().file("a").hard_link("h", "a", xattrs={"user.evil": "x"}).bytes,
        lambda place: place.xattrs("a") == [],
    ),
    Case("a hard link to the root", lambda _: Tar().hard_link("h", ".").bytes, REFUSED, False),
    Case(
        "a hard link to a folder",
        lambda _: Tar().folder("d").hard_link("h", "d").bytes,
        REFUSED,
        False,
    ),
    Case(
        "a hard link to a later entry",
        lambda _: Tar().hard_link("h", "a").file("a").bytes,
        REFUSED,
        False,
    ),
    Case(
        "a hard link onto itself",
        lambda _: Tar().file("a", b"evil").hard_link("a", "a").bytes,
        inside("a"),
    ),
    Case(
        "a folder that becomes a file and a folder again",
        lambda _: (
            Tar().folder("d").file("d/x").file("d", b"1").folder("d").file("d/y", b"evil").bytes
        ),
        lambda place: os.listdir(place.target / "d") == ["y"],
    ),
    Case(
        "a folder that becomes a symlink while we stand in it",
        lambda _: (
            Tar().folder("d").file("d/x").symlink("d", "../outside").file("d/canary", b"evil").bytes
        ),
        inside("outside/canary"),
    ),
    Case(
        "a folder above that becomes a symlink",
        lambda _: (
            Tar()
            .folder("a")
            .folder("a/b")
            .file("a/b/x")
            .symlink("a", "../outside")
            .file("a/b/canary", b"evil")
            .file("a/canary", b"evil")
            .bytes
        ),
        inside("outside/canary"),
    ),
    Case("a whiteout without a name", lambda _: Tar().file(".wh.").bytes, REFUSED),
    Case("a whiteout of the folder itself", lambda _: Tar().file("d/.wh..").bytes, REFUSED),
    Case("a whiteout of the folder above", lambda _: Tar().file("d/.wh...").bytes, REFUSED),
    Case("a path through a whiteout", lambda _: Tar().file(".wh.../x").bytes, REFUSED),
    Case(
        "a whiteout through a symlink",
        lambda _: Tar().symlink("d", "../outside").file("d/.wh.canary").bytes,
        lambda place: place.status("outside/canary").st_rdev == 0,
    ),
    Case(
        "an opaque mark through a symlink",
        lambda _: Tar().symlink("d", "../outside").file("d/.wh..wh..opq").bytes,
        lambda place: place.xattrs("outside") == ["trusted.overlay.opaque"],
    ),
    Case(
        "a whiteout after what it would hide",
        lambda _: Tar().file("f", b"evil").file(".wh.f").bytes,
        inside("f"),
    ),
    Case(
        "an opaque mark after its siblings",
        lambda _: Tar().folder("d").file("d/f", b"evil").file("d/.wh..wh..opq").bytes,
        inside("d/f"),
    ),
    Case(
        "the folder of aufs's own links",
        lambda _: Tar().folder(".wh..wh.plnk").file(".wh..wh.plnk/1.2", b"evil").bytes,
        lambda place: os.listdir(place.target) == [],
    ),
    Case(
        "a device that overlayfs takes for a whiteout",
        lambda _: Tar().node("passwd", tarfile.CHRTYPE, 0, 0).bytes,
        lambda place: os.listdir(place.target) == [],
    ),
    Case(
        "overlayfs's own attributes",
        lambda _: (
            Tar()
            .folder("d", xattrs={"trusted.overlay.opaque": "y"})
            .folder("e", xattrs={"trusted.overlay.redirect": "/root"})
            .file("f", xattrs={"user.overlay.opaque": "y"})
            .bytes
        ),
        lambda place: [place.xattrs(name) for name in "def"] == [[], [], []],
    ),
    Case(
        "setuid of another's file",
        lambda _: Tar().file("f", uid=1000, gid=1000, mode=0o6755).bytes,
        lambda place: place.status("f").st_mode & 0o7777 == 0o6755,
    ),
    Case(
        "capabilities of another's file",
        lambda _: (
            Tar()
            .file(
                "f",
                uid=1000,
                xattrs={"security.capability": CAPABILITY.decode("utf-8", "surrogateescape")},
            )
            .bytes
        ),
        lambda place: place.xattrs("f") == ["security.capability"],
    ),
    Case(
        "a negative size",
        lambda _: Tar().block(size=b"\xff" * 12).file("x").bytes,
        REFUSED,
        False,
    ),
    Case(
        "a negative size in base 256",
        lambda _: Tar().block(size=b"\xff" * 11 + b"\0", name=b"a").file("x").bytes,
        REFUSED,
        False,
    ),
    Case(
        "an owner of 4294967295, which means `leave it`",
        lambda _: Tar().file("f", pax_headers={"uid": "4294967295"}).bytes,
        REFUSED,
    ),
    Case(
        "a NUL in a long name",
        lambda _: Tar().file("x", pax_headers={"path": "a\0b"}).bytes,
        REFUSED,
        False,
    ),
    Case(
        "a name deeper than any tree",
        lambda _: Tar().file("/".join(["d"] * 300), b"evil").bytes,
        REFUSED,
    ),
    Case(
        "a name longer than any path",
        lambda _: Tar().file("/".join(["d" * 200] * 30)).bytes,
        REFUSED,
        False,
    ),
    Case(
        "a file below a file",
        lambda _: Tar().file("f").file("f/x").bytes,
        REFUSED,
        False,
    ),
    Case(
        "an unknown type",
        lambda _: Tar().block(kind=b"Z").bytes,
        REFUSED,
        False,
    ),
    Case(
        "a folder's time, with entries after it",
        lambda _: Tar().folder("d", mtime=1000).file("d/x").bytes,
        lambda place: place.status("d").st_mtime == 1000,
    ),
    Case(
        "parents that are missing, under a strict umask",
        lambda _: Tar().file("a/b/c", b"x").bytes,
        lambda place: place.status("a/b").st_mode & 0o7777 == 0o755,
    ),
]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    before = os.umask(0o077)
    yield made(tmp_path)
    os.umask(before)


def made(folder: Path) -> Place:
    place = Place(folder / "layer", folder / "outside")
    place.target.mkdir(parents=True)
    place.target.chmod(0o755)
    place.outside.mkdir(mode=0o700)
    (place.outside / "canary").write_text("alive")
    (place.outside / "canary").chmod(0o600)
    return place


def world(place: Place) -> object:
    """Everything outside that an archive could have changed; times of the folder included."""
    if not place.outside.exists():
        return "gone"
    seen = []
    for path in [place.outside, *sorted(place.outside.rglob("*"))]:
        status = path.lstat()
        seen.append(
            (path.name, status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns)
            + ((path.read_text(),) if path.is_file() else ())
        )
    return seen, sorted(item.name for item in place.outside.parent.iterdir())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_hostile_archive_stays_inside(case: Case, place: Place):
    data, before = case.make(str(place.outside)), world(place)
    if case.check is None:
        with pytest.raises(RuntimeFault):
            unpack_layer([data], place.target)
    else:
        unpack_layer([data], place.target)
        assert case.check(place)
    assert world(place) == before


CONTROLS = [case for case in CASES if case.fools_naive]


@pytest.mark.parametrize("case", CONTROLS, ids=[case.name for case in CONTROLS])
def test_the_naive_extractor_falls_for_it(case: Case, place: Place):
    data, before = case.make(str(place.outside)), world(place)
    was_refused = True
    with suppress(OSError, tarfile.TarError, KeyError, ValueError):
        naive_extractor.extract(data, place.target)
        was_refused = False
    if world(place) != before:
        return
    if case.check is None:
        assert not was_refused
        return
    with suppress(OSError):
        assert was_refused or not case.check(place)


@pytest.mark.parametrize("kind", poor_disks.KINDS)
def test_nothing_gets_out_where_layers_are_merged_for_want_of_whiteouts(kind: str, tmp_path: Path):
    """The lower layer is as hostile: its links lead to the canary."""
    with poor_disks.mounted(tmp_path / "poor", kind) as disk:
        for number, case in enumerate(CASES):
            place = made(disk / str(number))
            below = Tar().symlink("d", str(place.outside)).symlink("e", "/").file("f", b"low")
            lower = disk / str(number) / "lower"
            lower.mkdir()
            unpack_layer([below.bytes], lower)
            before = world(place)
            data = case.make(str(place.outside)).removesuffix(b"\0" * 1024)
            hiding = Tar().file("x/.wh.none").file("x/.wh..wh..opq").bytes
            with suppress(RuntimeFault):
                unpack_layer([data, hiding], place.target, lowers=[lower])
            assert world(place) == before, case.name


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_hostile_archive_is_unpacked_inside_or_refused(seed: int, tmp_path: Path):
    choice = random.Random(seed)
    for number in range(100):
        place = made(tmp_path / str(number))
        data = bytearray(choice.choice(CASES).make(str(place.outside)))
        for _ in range(choice.randrange(1, 4)):
            damage(data, choice)
        before = world(place)
        with suppress(RuntimeFault):
            unpack_layer([bytes(data)], place.target)
        assert world(place) == before, data


def damage(data: bytearray, choice: random.Random) -> None:
    at = choice.randrange(len(data))
    match choice.randrange(3):
        case 0:
            data[at : at + choice.randrange(600)] = b""
            data += b"\0" * 512
        case 1:
            data[at : at + 1] = choice.randbytes(choice.randrange(20))
        case _:  # a header that says something else, with a right checksum
            at -= at % 512
            block = data[at : at + 512].ljust(512, b"\0")
            block[choice.randrange(512)] = choice.choice(b"\0\x80\xff0579LSxg/.")
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
            data[at : at + 512] = block


# --- numbers that would fill memory or disk (V54)


def test_a_long_name_is_no_reason_to_fill_the_memory(tmp_path: Path):
    data = header(name=b"x", kind=b"x", size=b"77777777777\0")
    with pytest.raises(RuntimeFault, match="an extended header of 8589934591 bytes"):
        unpack_layer([data], tmp_path)


def test_a_sparse_map_without_end_is_refused(tmp_path: Path):
    data = Tar().file(
        "s",
        b"1000000000\n".ljust(512, b"\0"),
        pax_headers=pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_realsize="9"),
    )
    with pytest.raises(RuntimeFault, match="a wrong sparse map"):
        unpack_layer([data.bytes], tmp_path)


@pytest.mark.parametrize(
    "numbers",
    ["1,0,6,4", "1,-1", "1,99999999999999999999999", "2,0,4,2,4", "1,8,4", "9", "1,0", "x"],
    ids=[
        "beyond the end",
        "backwards",
        "too far",
        "over each other",
        "past the size",
        "too few",
        "odd",
        "no number",
    ],
)
def test_a_sparse_map_that_does_not_fit_is_refused(tmp_path: Path, numbers: str):
    """CVE-2025-8194 and its kind: offsets that go back, or to where nothing is."""
    count, _, places = numbers.partition(",")
    fields = {"GNU.sparse.size": "8", "GNU.sparse.numblocks": count, "GNU.sparse.map": places}
    data = Tar().file("s", b"evil", pax_headers=fields).bytes
    with pytest.raises(RuntimeFault):
        unpack_layer([data], tmp_path)


# --- layers below, which are as little to be trusted


def test_a_symlink_of_a_lower_layer_leads_nowhere(place: Place, tmp_path: Path):
    before = world(place)
    lower = tmp_path.parent / f"{tmp_path.name}-lower"
    lower.mkdir()
    unpack_layer(
        [Tar().symlink("d", str(place.outside)).symlink("e", "../" * 9 + "outside").bytes], lower
    )
    tar = Tar().file("d/canary", b"evil").file("e/canary", b"evil").file("d/.wh.canary")
    unpack_layer([tar.bytes], place.target, lowers=[lower])
    assert world(place) == before
    assert (place.target / str(place.outside).lstrip("/") / "canary").read_text() == "evil"


def test_a_hard_link_to_a_symlink_of_a_lower_layer_is_refused(place: Place, tmp_path: Path):
    before = world(place)
    lower = tmp_path.parent / f"{tmp_path.name}-lower"
    lower.mkdir()
    unpack_layer([Tar().symlink("s", str(place.outside / "canary")).bytes], lower)
    with pytest.raises(RuntimeFault, match="which is not there"):
        unpack_layer([Tar().hard_link("h", "s", mode=0o666).bytes], place.target, lowers=[lower])
    assert world(place) == before


def test_a_file_over_a_full_folder_of_a_lower_layer_hides_it(place: Place, tmp_path: Path):
    lower = tmp_path.parent / f"{tmp_path.name}-lower"
    lower.mkdir()
    unpack_layer([Tar().folder("d").file("d/x", b"kept").bytes], lower)
    unpack_layer([Tar().file("d", b"a file").bytes], place.target, lowers=[lower])
    assert place.text("d") == "a file"
    assert (lower / "d" / "x").read_text() == "kept"


def test_more_entries_than_any_image_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("runtime.images.tar_reader.MAX_ENTRIES", 100)
    tar = Tar()
    for _ in range(101):
        tar.file("again")
    with pytest.raises(RuntimeFault, match="more than 100 entries"):
        unpack_layer([tar.bytes], tmp_path)
