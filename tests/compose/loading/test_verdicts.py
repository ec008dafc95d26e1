"""A verdict is remembered for this user alone; nothing depends on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compose.loading import verdicts
from compose.loading.verdicts import Verdicts, content_of, folder_of

SCHEMA = b"{}"
CONTENT = content_of({"services": {"web": {"image": "nginx"}}})


@pytest.fixture
def kept(tmp_path: Path) -> Verdicts:
    return Verdicts(str(tmp_path / "cache" / "verdicts"))


def test_a_content_is_known_after_it_was_remembered(kept: Verdicts):
    key = kept.key(CONTENT, SCHEMA)
    assert not kept.knows(key)
    kept.remember(key)
    kept.remember(key)
    assert kept.knows(key)
    assert os.stat(kept.folder).st_mode & 0o777 == 0o700
    assert [path.stat().st_size for path in Path(kept.folder).iterdir()] == [0]


@pytest.mark.parametrize(
    ("content", "schema"),
    [
        (content_of({"services": {"web": {"image": "nginx:2"}}}), SCHEMA),
        (content_of({"services": {"web": {"image": True}}}), SCHEMA),
        (CONTENT, b"{ }"),
    ],
)
def test_another_content_or_schema_has_another_key(kept: Verdicts, content, schema):
    assert kept.key(content, schema) != kept.key(CONTENT, SCHEMA)


def test_equal_trees_have_one_content_whether_their_strings_are_shared_or_not():
    word = "".join(["ngi", "nx"])
    assert content_of({"services": {"web": {"image": word}}}) == CONTENT
    assert content_of({"a": word, "b": word}) == content_of({"a": "nginx", "b": word})
    assert len({content_of(["1"]), content_of([1]), content_of([1.0]), content_of([True])}) == 4


def test_a_folder_that_others_may_write_to_is_not_believed(kept: Verdicts):
    key = kept.key(CONTENT, SCHEMA)
    kept.remember(key)
    os.chmod(kept.folder, 0o777)
    assert not kept.knows(key)
    os.chmod(kept.folder, 0o700)
    assert kept.knows(key)


def test_a_link_in_place_of_the_folder_or_of_the_verdict_is_not_believed(kept: Verdicts, tmp_path):
    key = kept.key(CONTENT, SCHEMA)
    kept.remember(key)
    elsewhere = tmp_path / "elsewhere"
    os.rename(kept.folder, elsewhere)
    os.symlink(elsewhere, kept.folder)
    assert not kept.knows(key)
    os.unlink(kept.folder)
    os.rename(elsewhere, kept.folder)
    os.rename(f"{kept.folder}/{key}", f"{kept.folder}/other")
    os.symlink("other", f"{kept.folder}/{key}")
    assert not kept.knows(key)


def test_what_another_user_owns_is_not_believed(kept: Verdicts, monkeypatch: pytest.MonkeyPatch):
    key = kept.key(CONTENT, SCHEMA)
    kept.remember(key)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert not kept.knows(key)


def test_without_a_folder_that_can_be_made_nothing_is_remembered_and_nothing_fails(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for folder in ("", str(tmp_path / "file" / "verdicts"), "/proc/none/verdicts"):
        kept = Verdicts(folder)
        kept.remember(kept.key(CONTENT, SCHEMA))
        assert not kept.knows(kept.key(CONTENT, SCHEMA))


def test_of_too_many_the_older_half_goes(kept: Verdicts, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verdicts, "MOST", 4)
    keys = [kept.key(content_of(number), SCHEMA) for number in range(6)]
    for number, key in enumerate(keys[:5]):
        kept.remember(key)
        os.utime(f"{kept.folder}/{key}", (number, number))
    assert [kept.knows(key) for key in keys] == [False, False, True, True, True, False]


def test_the_folder_is_the_root_s_or_the_user_s_cache(monkeypatch: pytest.MonkeyPatch):
    assert folder_of({"PYCOMPOSE_ROOT": "/r", "HOME": "/h"}) == "/r/verdicts"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert folder_of({"HOME": "/h"}) == "/var/lib/pycompose/verdicts"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert folder_of({"HOME": "/h"}) == "/h/.cache/pycompose/verdicts"
    assert folder_of({"HOME": "/h", "XDG_CACHE_HOME": "/c"}) == "/c/pycompose/verdicts"
    assert folder_of({"HOME": "/h", "XDG_CACHE_HOME": "c"}) == "/h/.cache/pycompose/verdicts"
    assert folder_of({"HOME": ""}) == ""
