"""What names a remote file, and what is refused before anything is asked."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compose.errors import InvalidFile
from compose.loading.remote_names import GitName, is_remote, parse_git, repository_of
from compose.model import copies
from compose.position import File, Position

HERE = Position(File("compose.yaml"), 2, 5)
COMMIT = "a" * 40


@pytest.mark.parametrize(
    "name",
    [
        "https://host/shop.git",
        "http://host/shop.git#main:deploy",
        "ssh://git@host:22/shop",
        "git://host/shop",
        "git@host:me/shop.git",
        "github.com/me/shop",
        "oci://host/shop:1",
        "https://host/compose.yaml",
        "file:///etc/compose.yaml",
    ],
)
def test_an_address_is_remote(name: str):
    assert is_remote(name)


@pytest.mark.parametrize(
    "name",
    [
        "compose.yaml",
        "./git@host:x",
        "/a://b",
        "../b",
        "-",
        "C:\\a.yaml",
        "a:b.yaml",
        "a@b",
        "ext::sh -c x",
    ],
)
def test_a_path_is_not(name: str):
    assert not is_remote(name)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("https://host/s.git", ("https://host/s.git", "", "", "")),
        ("https://host/s.git#main", ("https://host/s.git", "main", "", "")),
        ("https://host/s.git#:a/b", ("https://host/s.git", "", "a/b", "")),
        ("https://host/s.git#v1:./a//b/", ("https://host/s.git", "v1", "a/b", "")),
        ("https://host/s.git#feature/x:a", ("https://host/s.git", "feature/x", "a", "")),
        ("git@host:me/s.git#v1", ("git@host:me/s.git", "v1", "", "")),
        ("github.com/me/s#v1", ("https://github.com/me/s", "v1", "", "")),
        ("https://host/s.git?branch=b&subdir=a", ("https://host/s.git", "refs/heads/b", "a", "")),
        ("https://host/s.git?tag=v1", ("https://host/s.git", "refs/tags/v1", "", "")),
        ("https://host/s.git?ref=x&submodules", ("https://host/s.git", "x", "", "")),
        (
            f"https://host/s.git?ref=x&commit={COMMIT}",
            ("https://host/s.git", "x", "", COMMIT),
        ),
    ],
)
def test_the_parts_of_a_name(name: str, parts: tuple[str, ...]):
    assert tuple(parse_git(name, None)) == parts


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("https://host/s.git#-x", "`-x` is no branch, tag or commit"),
        ("https://host/s.git#--upload-pack=x", "`--upload-pack=x` is no branch, tag or commit"),
        ("https://host/s.git#a b", "`a b` is no branch, tag or commit"),
        ("https://host/s.git#refs/*", "`refs/*` is no branch, tag or commit"),
        ("https://host/s.git#a..b", "`a..b` is no branch, tag or commit"),
        ("https://host/s.git#a^{tree}", "`a^{tree}` is no branch, tag or commit"),
        ("https://host/s.git#main:../../etc", "`../../etc` leads out of the remote project"),
        ("https://host/s.git#main:/etc", "`/etc` leads out of the remote project"),
        ("https://host/s.git#main:a/../../b", "`a/../../b` leads out of the remote project"),
        ("ssh://-oProxyCommand=x/s", "`ssh://-oProxyCommand=x/s` is no address of a repository"),
        (
            "ssh://me@-oProxyCommand=x/s",
            "`ssh://me@-oProxyCommand=x/s` is no address of a repository",
        ),
        ("git@-h:x", "`git@-h:x` is no address of a repository"),
        ("-x@h:y", "`-x@h:y` is no address of a repository"),
        ("git://host/a b", "`git://host/a b` is no address of a repository"),
        ("git://host/a\nb", "`git://host/a\ufffdb` is no address of a repository"),
        ("file:///srv/s.git", "no Compose file is fetched with `file`"),
        ("ext://sh", "no Compose file is fetched with `ext`"),
        (
            "https://host/compose.yaml",
            "`https://host/compose.yaml` is no git repository: the address of one ends in .git",
        ),
        ("https://host/s.git?what=1", "`what` of `https://host/s.git` is unknown"),
        ("https://host/s.git?ref=", "`ref` of `https://host/s.git` has no value"),
        ("https://host/s.git?ref=b#a", "`ref` says `b`, and `a` is said, too"),
        ("https://host/s.git?commit=main", "`main` is no commit"),
        (
            "https://me:secret@host/x",
            "`https://me@host/x` is no git repository: the address of one ends in .git",
        ),
    ],
)
def test_what_is_refused_before_git_hears_of_it(name: str, message: str):
    with pytest.raises(InvalidFile) as caught:
        parse_git(name, HERE)
    (fault,) = caught.value.faults
    assert (fault.code, fault.message.replace("\n", "\ufffd"), fault.where) == (
        "E006",
        message,
        HERE,
    )


def test_a_name_is_shown_without_its_password():
    name = parse_git("https://me:secret@host/s.git#main:a", None)
    assert (str(name), name.at("b/compose.yaml"), name.address) == (
        "https://me@host/s.git#main:a",
        "https://me@host/s.git#main:b/compose.yaml",
        "https://me:secret@host/s.git",
    )


@pytest.mark.parametrize(
    "name", ["oci://h:5000/a/b", "oci://h:5000/a/b:1", "oci://h:5000/a/b:1@sha256:00"]
)
def test_the_tags_of_an_artifact_have_one_origin(name: str):
    assert repository_of(name) == "oci://h:5000/a/b"


def test_the_origin_of_a_copy_stays_when_its_version_changes():
    one, two = (f"/x/remote/{'0' * 16}/{letter * 40}/deploy" for letter in "ab")
    assert copies.origin_of(one) == copies.origin_of(two) == f"/x/remote/{'0' * 16}/deploy"
    assert copies.top_of(one) == f"/x/remote/{'0' * 16}/{'a' * 40}"
    nested = f"{one}/remote/{'1' * 16}/{'c' * 40}/x"
    assert copies.top_of(nested) == copies.top_of(one)
    assert (copies.top_of("/x/remote/y"), copies.origin_of("/x/remote/y")) == ("", "/x/remote/y")


PIECES = [
    "https://",
    "ssh://",
    "git@",
    "host",
    ".git",
    "#",
    ":",
    "?",
    "ref=",
    "subdir=",
    "-",
    "..",
    "/",
    "~",
    "*",
    " ",
    "\n",
    "&",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=14).map("".join)))
@example("https://h/.git#-")
@example("git@-h:.git")
@example("-x@h:.git")
def test_any_name_is_understood_or_refused_with_its_place(name: str):
    """Whatever is understood holds no option, no pattern and no way out."""
    found, faults = GitName(""), ()
    try:
        found = parse_git(name, HERE)
    except InvalidFile as refused:
        faults = refused.faults
    assert [(fault.code, fault.where) for fault in faults] in ([], [("E006", HERE)])
    assert not found.address.startswith("-")
    assert found.address.isprintable()
    assert not re.search(r"^-|[*?~^:\\\s]|\.\.", found.ref)
    assert ".." not in found.path.split("/")
    assert not found.path.startswith("/")
