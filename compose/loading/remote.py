"""Remote Compose files: each name is fetched once, and then is a file of this machine.

`git.py` and `artifact.py` do the fetching; both are imported by the first name that needs them. A
copy is kept by commit or digest and never changes. Relative paths in a remote file count from its
own folder in the copy, as from the folder of any other; of several `-f` the first says the folder,
and --project-directory before it (in Docker Compose the first remote one does). Its switches
COMPOSE_EXPERIMENTAL_GIT_REMOTE and COMPOSE_EXPERIMENTAL_OCI_REMOTE turn fetching off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from compose.errors import ComposeError, Fault, InvalidFile
from compose.loading import remote_names as names
from compose.loading.verdicts import folder_of
from compose.model import copies
from compose.position import Position

SECONDS = 120.0
"""For all that is fetched under one name."""
_TIMEOUT = "PYCOMPOSE_REMOTE_TIMEOUT"
_SWITCHES = {"git": "COMPOSE_EXPERIMENTAL_GIT_REMOTE", "oci": "COMPOSE_EXPERIMENTAL_OCI_REMOTE"}
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


class Registry(Protocol):
    """Who fetches artifacts: compose/artifacts.py. Raises ComposeError."""

    def find_digest(self, reference: str, *, seconds: float) -> str: ...

    def fetch(self, reference: str, *, limit: int, seconds: float) -> Any: ...


class Remote:
    """What one loading fetches. `files_of` has the I/O."""

    def __init__(self, shell: Mapping[str, str], registry: Registry | None = None) -> None:
        self.shell = shell
        self.registry = registry
        self.fetched: dict[str, tuple[str, ...]] = {}
        """Name as written -> files of this machine."""
        self._shown: dict[str, Callable[[str], str]] = {}
        """Folder of a copy -> how a path in it is named for people."""

    def files_of(self, name: str, where: Position | None = None) -> tuple[str, ...]:
        """The Compose files behind a remote name, in the order of merging. Raises InvalidFile."""
        if name not in self.fetched:
            kind = "oci" if name.startswith(names.OCI) else "git"
            self._check_switch(kind, name, where)
            fetch = self._fetch_artifact if kind == "oci" else self._fetch_git
            try:
                self.fetched[name] = fetch(name, where)
            except ComposeError as error:
                fault = Fault(error.code, error.message, where=where, hint=error.hint)
                raise InvalidFile(fault) from error
            except OSError as error:
                reason = error.strerror or str(error)
                message = f"cannot keep the files of {self.name_of(name)}: {reason.lower()}"
                raise InvalidFile(Fault("E007", message, where=where)) from error
        return self.fetched[name]

    @staticmethod
    def name_of(name: str) -> str:
        """A remote name without the password in it."""
        return names.shown_address(name)

    def shown(self, path: str) -> str:
        """The name for messages of a file in a copy; "" for any other."""
        top = copies.top_of(path)
        name = self._shown.get(top) if top else None
        return name(os.path.relpath(path, top)) if name is not None else ""

    def refuse_outside(self, path: str, where: Position | None) -> None:
        """Nothing of a copy may lead to another file of this machine. Raises InvalidFile."""
        top = copies.top_of(path)
        real = os.path.realpath(top) if top else ""
        if top and not f"{os.path.realpath(path)}/".startswith(f"{real}/"):
            raise names.leads_out(self.shown(path) or os.path.relpath(path, top), where)

    def join(self, folder: str, path: str, where: Position | None) -> str:
        """A path that a file in `folder` names. Raises InvalidFile for a relative one that leads
        out of a copy."""
        joined = os.path.normpath(os.path.join(folder, path))
        top = copies.top_of(folder)
        if top and not os.path.isabs(path) and copies.top_of(joined) != top:
            raise names.leads_out(path, where)
        return joined

    # --- fetching

    def _check_switch(self, kind: str, name: str, where: Position | None) -> None:
        variable = _SWITCHES[kind]
        value = self.shell.get(variable, "")
        if value in ("", *_TRUE):
            return
        shown = self.name_of(name)
        if value in _FALSE:
            message, hint = f"{shown} is not fetched: {variable} is {value}", f"unset {variable}"
        else:
            message = f"{variable} is true or false, not `{value}`"
            hint = "unset it to have remote files"
        raise InvalidFile(Fault("E009", message, where=where, hint=hint))

    @property
    def seconds(self) -> float:
        """How long fetching one name may take."""
        try:
            return max(1.0, float(self.shell.get(_TIMEOUT, "") or SECONDS))
        except ValueError:
            return SECONDS

    def _folder(self, address: str) -> str:
        """Where the copies of one address are kept."""
        import hashlib  # 2 ms

        top = os.path.join(os.path.dirname(folder_of(self.shell)), copies.FOLDER)
        if not os.path.isabs(top):
            raise InvalidFile(
                Fault(
                    "E007",
                    "there is no folder to keep remote files in",
                    hint="set HOME or XDG_CACHE_HOME",
                )
            )
        return os.path.join(top, hashlib.sha256(os.fsencode(address)).hexdigest()[:16])

    def _fetch_git(self, name: str, where: Position | None) -> tuple[str, ...]:
        from compose.loading import git

        wanted = names.parse_git(name, where)
        folder = self._folder(wanted.address)
        top = git.fetch(wanted, folder, self.shell, self.seconds, where)
        self._shown[top] = wanted.at
        return (git.compose_file(wanted, top, where),)

    def _fetch_artifact(self, name: str, where: Position | None) -> tuple[str, ...]:
        from compose.loading import artifact

        if self.registry is None:
            raise InvalidFile(Fault("E007", f"no registry is asked for {name}", where=where))
        reference = name.removeprefix(names.OCI)
        folder = self._folder(names.repository_of(name))
        files = artifact.fetch(reference, folder, self.registry, self.seconds)
        self._shown[os.path.dirname(files[0])] = lambda path: f"{name}:{path}"
        return files
