"""Secrets and configs as files: written into the container's folder, or bound from where they are.

A file of the host is bound as it is, so that a change shows, unless an owner or mode is asked for:
then it is a copy, made when the container is created, since the host's file keeps its own. The
folder is ours alone (0700): no path here is a container's to change.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from runtime.errors import RuntimeFault, describe_errno, system_call
from runtime.linux import faults
from runtime.values import FileMount

DEFAULT_MODE = 0o444


def paths_of(wanted: Iterable[FileMount], folder: Path) -> Mapping[str, str]:
    """Target -> host file to bind, as `write` leaves them. Pure; for `SpecContext.files`."""
    return {
        file.target: str(_own_path(folder, index, file)) if is_copied(file) else file.source
        for index, file in enumerate(wanted)
    }


def is_copied(file: FileMount) -> bool:
    """True when it becomes a file of ours."""
    asked = (file.uid, file.gid, file.mode)
    return file.content is not None or any(value is not None for value in asked)


def _own_path(folder: Path, index: int, file: FileMount) -> Path:
    return folder / f"{file.kind}-{index}"


def write(wanted: Iterable[FileMount], folder: Path) -> None:
    """Write those that are copied, check that the others are there. Repeatable. Raises
    RuntimeFault.
    """
    for index, file in enumerate(wanted):
        if not is_copied(file):
            _check_source(file)
            continue
        content = _read(file) if file.content is None else file.content.encode()
        with system_call(
            f"cannot write the {file.kind} for {file.target}",
            tried=f"writing below {folder}",
            code="E444",
        ):
            _write(_own_path(folder, index, file), content, file)


def _check_source(file: FileMount) -> None:
    try:
        os.stat(file.source)
    except OSError as error:
        raise _unreadable(file, error) from error


def _read(file: FileMount) -> bytes:
    try:
        return Path(file.source).read_bytes()
    except IsADirectoryError as error:
        raise RuntimeFault(
            f"the {file.kind} `{file.source}` is a folder",
            code="E444",
            tried=f"copying it for {file.target}, since an owner or mode is asked for",
            answered=describe_errno(error),
            hint="leave `uid`, `gid` and `mode` out, or name a file",
        ) from error
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: FileMount, error: OSError) -> RuntimeFault:
    return RuntimeFault(
        f"the {file.kind} file `{file.source}` cannot be read",
        code="E444",
        tried=f"reading it for {file.target}",
        answered=describe_errno(error),
        hint="make the file, or correct `file:` of the top-level entry",
    )


def _write(path: Path, content: bytes, file: FileMount) -> None:
    """Owner and mode before the content, and all of it before the name."""
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with faults.point("write injected file"):
        descriptor = os.open(temporary, flags, 0o600)
        try:
            with open(descriptor, "wb") as opened:
                os.fchown(descriptor, file.uid or 0, file.gid or 0)
                os.fchmod(descriptor, DEFAULT_MODE if file.mode is None else file.mode)
                opened.write(content)
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
