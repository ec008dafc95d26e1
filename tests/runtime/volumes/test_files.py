"""Secrets and configs as files: bound from where they are, or written with owner and mode."""

import os
import stat
from pathlib import Path

import pytest

from runtime.errors import RuntimeFault
from runtime.linux import faults
from runtime.values import FileMount
from runtime.volumes import files


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


def written(folder: Path, *wanted: FileMount) -> dict[str, tuple[str, str, int, int]]:
    """Target -> text, mode, uid, gid of the host file that is bound there."""
    files.write(wanted, folder)
    found = {}
    for target, path in files.paths_of(wanted, folder).items():
        status = os.stat(path)
        found[target] = (
            Path(path).read_text(),
            stat.filemode(status.st_mode),
            status.st_uid,
            status.st_gid,
        )
    return found


def test_inline_content_is_readable_by_all_and_writable_by_none(folder):
    wanted = FileMount(target="/run/secrets/key", content="hü\n")
    assert written(folder, wanted) == {"/run/secrets/key": ("hü\n", "-r--r--r--", 0, 0)}


@pytest.mark.kernel
def test_owner_and_mode_are_as_asked(folder):
    wanted = FileMount(target="/etc/app", content="x", uid=5, gid=6, mode=0o4700, kind="config")
    assert written(folder, wanted) == {"/etc/app": ("x", "-rws------", 5, 6)}


def test_a_mode_of_zero_is_a_mode(folder):
    assert written(folder, FileMount(target="/a", content="", mode=0)) == {
        "/a": ("", "----------", 0, 0)
    }


def test_a_file_of_the_host_is_bound_as_it_is(folder, tmp_path):
    source = tmp_path / "key"
    source.write_text("x")
    wanted = FileMount(target="/key", source=str(source))
    files.write([wanted], folder)
    assert files.paths_of([wanted], folder) == {"/key": str(source)}
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("asked", [{"mode": 0o400}, {"uid": 0}, {"gid": 0}])
def test_a_file_of_the_host_with_an_owner_or_mode_becomes_a_copy(folder, tmp_path, asked):
    source = tmp_path / "key"
    source.write_text("x")
    source.chmod(0o644)
    wanted = FileMount(target="/key", source=str(source), **asked)
    files.write([wanted], folder)
    (path,) = files.paths_of([wanted], folder).values()
    assert Path(path).parent == folder
    assert stat.S_IMODE(source.stat().st_mode) == 0o644
    source.write_text("changed")
    assert Path(path).read_text() == "x"


def test_files_are_kept_apart_and_writing_again_replaces_them(folder):
    one = FileMount(target="/a", content="1")
    two = FileMount(target="/b", content="2", kind="config")
    assert [text for text, *_ in written(folder, one, two).values()] == ["1", "2"]
    assert [text for text, *_ in written(folder, two, one).values()] == ["2", "1"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "config-0",
        "config-1",
        "secret-0",
        "secret-1",
    ]


def refused(folder, wanted: FileMount) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        files.write([wanted], folder)
    assert caught.value.code == "E444"
    assert list(folder.iterdir()) == []
    return caught.value


@pytest.mark.parametrize("asked", [{}, {"mode": 0o400}])
def test_a_missing_file_is_named(folder, tmp_path, asked):
    fault = refused(folder, FileMount(target="/key", source=f"{tmp_path}/none", **asked))
    assert str(fault) == f"the secret file `{tmp_path}/none` cannot be read"
    assert fault.answered == "ENOENT (No such file or directory)"


def test_a_folder_cannot_be_given_an_owner(folder, tmp_path):
    fault = refused(folder, FileMount(target="/key", source=str(tmp_path), uid=5, kind="config"))
    assert str(fault) == f"the config `{tmp_path}` is a folder"


def test_no_fault_holds_the_content(folder):
    """Secrets appear nowhere unasked."""
    faults.configure("cli", {"PYCOMPOSE_FAULT": "cli/write injected file/after:enospc"})
    try:
        with pytest.raises(RuntimeFault) as caught:
            files.write([FileMount(target="/key", content="canary")], folder)
    finally:
        faults.configure("cli", {})
    fault = caught.value
    assert "canary" not in f"{fault}{fault.tried}{fault.answered}{fault.hint}"


def test_a_write_that_fails_leaves_no_half_file(folder, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", refuse)
    refused(folder, FileMount(target="/key", content="x"))
