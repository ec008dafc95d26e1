"""Bind sources: there, made, or missing; and how the host's mounts propagate."""

import os

import pytest

from runtime.errors import RuntimeFault
from runtime.linux import proc
from runtime.values import Mount
from runtime.volumes import binds


def bind(source, **more) -> Mount:
    return Mount(type="bind", source=str(source), target="/app", **more)


def refused(mount: Mount) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        binds.ensure_source(mount)
    assert caught.value.code == "E443"
    return caught.value


def test_what_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0o600)
    binds.ensure_source(bind(tmp_path / "file", create_host_path=True, host_owner=(7, 7)))
    status = (tmp_path / "file").stat()
    assert (status.st_uid, status.st_mode & 0o777) == (os.getuid(), 0o600)


def test_a_missing_source_is_an_error_that_says_what_helps(tmp_path):
    fault = refused(bind(tmp_path / "none"))
    assert str(fault) == f"the bind source `{tmp_path}/none` does not exist"
    assert fault.hint == "make it, or set `bind.create_host_path: true`"
    assert not (tmp_path / "none").exists()


@pytest.mark.kernel
def test_a_missing_folder_is_made_and_belongs_to_the_caller_with_its_new_parents(tmp_path):
    """DESIGN.md 5: under sudo the folders are the caller's."""
    previous = os.umask(0o077)
    try:
        binds.ensure_source(bind(tmp_path / "a/b", create_host_path=True, host_owner=(1234, 1235)))
    finally:
        os.umask(previous)
    assert [
        (status.st_uid, status.st_gid)
        for name in ("a", "a/b")
        for status in [(tmp_path / name).stat()]
    ] == [(1234, 1235), (1234, 1235)]
    assert tmp_path.stat().st_uid != 1234


def test_a_link_that_leads_nowhere_is_named_as_that(tmp_path):
    (tmp_path / "link").symlink_to("/nowhere")
    fault = refused(bind(tmp_path / "link", create_host_path=True))
    assert fault.hint == "it is a symlink that leads nowhere"


def test_a_relative_source_is_refused():
    assert str(refused(bind("src"))) == "the bind source `src` is not an absolute path"


def test_a_source_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    fault = refused(bind(tmp_path / "file/below", create_host_path=True))
    assert fault.answered == "ENOTDIR (Not a directory)"


TABLE = proc.parse_mountinfo("""\
1 0 8:1 / / rw shared:1 - ext4 /dev/a rw
2 1 8:2 / /srv rw master:1 - ext4 /dev/b rw
3 2 8:3 / /srv/deep rw - ext4 /dev/c rw
4 1 8:4 / /srv rw shared:9 - ext4 /dev/d rw
""")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/", "shared"),
        ("/home/x", "shared"),
        ("/srvx", "shared"),
        ("/srv", "shared"),
        ("/srv/x", "shared"),
        ("/srv/deep/x", "private"),
    ],
)
def test_the_deepest_and_latest_mount_decides(source, expected):
    """L28."""
    assert binds.find_propagation(TABLE, source) == expected
    assert binds.find_propagation(TABLE[:2], "/srv/x") == "slave"


def test_nobody_reads_the_table_when_nobody_asks(monkeypatch):
    monkeypatch.setattr(proc, "read_mountinfo", None)
    assert binds.read_propagations([bind("/a"), Mount(type="tmpfs", target="/b")]) == {}


def test_the_source_is_looked_up_behind_its_links(tmp_path):
    (tmp_path / "link").symlink_to("/proc")
    found = binds.read_propagations([bind(tmp_path / "link", propagation="rshared")])
    assert found == {f"{tmp_path}/link": binds.find_propagation(proc.read_mountinfo(), "/proc")}
