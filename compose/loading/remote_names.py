"""What names a file of elsewhere: `oci://registry/project:tag`, or a file of a git repository as
`https://host/project.git#main:deploy`.

Pure. What is accepted is Docker Compose's, which takes a git reference as BuildKit does. Refused is
what could be read as an option, as a pattern or as a way out of the repository.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from compose.errors import Fault, InvalidFile
from compose.position import Position

OCI = "oci://"
_SCHEME = re.compile(r"([a-zA-Z0-9]+)://")
_SCP = re.compile(r"[a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|^-|/-|^/|/$|//")
"""Of a reference: what git forbids, and what would be a pattern or an option."""
_LOGIN = re.compile(r"(://[^/@:]*):[^/@]*@")
_OF_BUILDS = ("submodules", "keep-git-dir", "mtime", "fetch-by-commit")
"""Say how a build context is made, and nothing about which file is meant."""

_FORM = "write it as https://HOST/PROJECT.git#BRANCH:FOLDER"


class GitName(NamedTuple):
    """A file or folder of a repository. `ref` empty: the default branch; `path` empty: the top."""

    address: str
    ref: str = ""
    path: str = ""
    commit: str = ""
    """What the commit must begin with."""

    def __str__(self) -> str:
        """As people write it, without a password."""
        return self.at(self.path)

    def at(self, path: str) -> str:
        """Another file of the same commit."""
        address = shown_address(self.address)
        if not self.ref and not path:
            return address
        return f"{address}#{self.ref}" + (f":{path}" if path else "")


def shown_address(address: str) -> str:
    """Without the password that may stand in it."""
    return _LOGIN.sub(r"\1@", address)


def is_remote(name: str) -> bool:
    """Whether something elsewhere is meant: no file of this machine has such a name."""
    if name.startswith("github.com/"):
        return True
    return _SCHEME.match(name) is not None or _SCP.match(name) is not None


def repository_of(name: str) -> str:
    """The name of an artifact without tag and digest: its versions have one origin."""
    before, slash, last = name.partition("@")[0].rpartition("/")
    return before + slash + last.partition(":")[0]


def parse_git(name: str, where: Position | None) -> GitName:
    """Raises InvalidFile."""
    rest, _, fragment = name.partition("#")
    address, _, query = rest.partition("?")
    ref, _, path = fragment.partition(":")
    if address.startswith("github.com/"):
        address = f"https://{address}"
    else:
        _check_protocol(address, where)
    is_option = address.startswith("-") or _host_of(address).startswith("-")
    if not address.isprintable() or " " in address or is_option:
        raise refused(f"`{shown_address(address)}` is no address of a repository", where)
    found = GitName(address, ref, path)
    return _checked(_with_query(found, query, where), where)


def _check_protocol(address: str, where: Position | None) -> None:
    """An address of the web is that of a repository when it says so."""
    scheme = _SCHEME.match(address)
    protocol = scheme[1].lower() if scheme else "ssh"
    shown = shown_address(address)
    if protocol in ("http", "https") and not address.endswith(".git"):
        message = f"`{shown}` is no git repository: the address of one ends in .git"
        raise refused(message, where, f"save a single file first: curl -fo compose.yaml {shown}")
    if protocol not in ("http", "https", "git", "ssh"):
        message = f"no Compose file is fetched with `{protocol}`"
        raise refused(message, where, "https, http, git, ssh and oci are known; a path has no ://")


def _host_of(address: str) -> str:
    """What git hands to ssh: an option must not stand there."""
    return re.sub(r"^[a-zA-Z0-9]+://", "", address).rpartition("@")[2]


def _with_query(name: GitName, query: str, where: Position | None) -> GitName:
    if not query:
        return name
    from urllib.parse import parse_qsl  # 6 ms that most names do without

    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in _OF_BUILDS:
            continue
        if not value:
            raise refused(f"`{key}` of `{name}` has no value", where)
        if key == "subdir":
            name = name._replace(path=_same(name.path, value, key, where))
        elif key in ("ref", "branch", "tag"):
            name = name._replace(ref=_same(name.ref, _full(key, value), key, where))
        elif key in ("checksum", "commit"):
            name = name._replace(commit=value)
        else:
            raise refused(f"`{key}` of `{name}` is unknown", where)
    return name


def _full(key: str, value: str) -> str:
    before = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(key, "")
    return value if value.startswith(before) else before + value


def _same(before: str, value: str, key: str, where: Position | None) -> str:
    if before not in ("", value):
        raise refused(f"`{key}` says `{value}`, and `{before}` is said, too", where)
    return value


def _checked(name: GitName, where: Position | None) -> GitName:
    if name.ref and _FORBIDDEN.search(name.ref):
        raise refused(f"`{name.ref}` is no branch, tag or commit", where)
    if name.commit and not re.fullmatch(r"[0-9a-f]{7,64}", name.commit):
        raise refused(f"`{name.commit}` is no commit", where)
    parts = name.path.split("/")
    if name.path.startswith("/") or ".." in parts or not name.path.isprintable():
        raise leads_out(name.path, where)
    kept = [part for part in parts if part not in ("", ".")]
    return name._replace(path="/".join(kept))


def refused(message: str, where: Position | None, hint: str = _FORM) -> InvalidFile:
    """The name of a remote file cannot be used."""
    return InvalidFile(Fault("E006", message, where=where, hint=hint))


def leads_out(path: str, where: Position | None) -> InvalidFile:
    """What is remote must not read files of this machine by a relative name or a link."""
    message = f"`{path}` leads out of the remote project"
    return refused(message, where, "a file of this machine is named by its absolute path")
