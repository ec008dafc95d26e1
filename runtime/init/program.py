"""Which file is executed, where, and with which environment. Source: L49, L50, L52, D61, V01.

All of it happens inside the container's root and as the container's user, so the kernel's own
permission checks are the answer.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable

from runtime.errors import RuntimeFault, describe_errno
from runtime.init.child import NOT_EXECUTABLE, NOT_FOUND, Child, ProgramFault
from runtime.linux import openat

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def final_environment(entries: Iterable[str], home: str) -> dict[str, str]:
    """The last of a name wins and keeps the first one's place; HOME is filled when empty. Pure."""
    environment: dict[str, str] = {}
    for entry in entries:
        name, separator, value = entry.partition("=")
        if not separator or not name:
            raise RuntimeFault(f"environment entry {name!r} has no `=`")
        environment[name] = value
    if not environment.get("HOME"):
        environment["HOME"] = home
    return environment


def make_working_directory(child: Child) -> None:
    """L37, V30: through the root's descriptor; a magic link (V01) is refused here already."""
    path = child.process.get("cwd", "/")
    try:
        os.close(openat.ensure_directory(child.root, path))
    except OSError as error:
        raise _unusable(path, error) from error


def enter_working_directory(child: Child) -> bool:
    """False when this user may not: L49, it is tried as root and again as the container's user."""
    path = child.process.get("cwd", "/")
    try:
        place = openat.open_in_root(child.root, path, os.O_PATH | os.O_DIRECTORY)
        os.fchdir(place)
        os.close(place)
    except PermissionError:
        return False
    except OSError as error:
        raise _unusable(path, error) from error
    _check_inside(path)
    return True


def insist_on_working_directory(child: Child) -> None:
    """The second try, after which nothing is left to try."""
    if not enter_working_directory(child):
        path = child.process.get("cwd", "/")
        raise _unusable(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _check_inside(path: str) -> None:
    """V01: a directory that is not below our root has no path here."""
    if not os.getcwd().startswith("/"):
        raise RuntimeFault(f"the working directory {path} is outside the container")


def _unusable(path: str, error: OSError) -> RuntimeFault:
    return RuntimeFault(
        f"the working directory {path} cannot be used",
        tried=f"changing to {path} in the container",
        answered=describe_errno(error),
    )


def find_program(name: str, search_path: str) -> str:
    """The file that `name` means. Raises ProgramFault with Docker's words and 126 or 127 (L52)."""
    if not name:
        raise ProgramFault("no command specified", exit_code=NOT_FOUND)
    if "/" in name:
        _check_executable(name, name)
        return name
    refused: ProgramFault | None = None
    for folder in search_path.split(":"):
        candidate = f"{folder or '.'}/{name}"
        try:
            _check_executable(candidate, name)
        except ProgramFault as error:
            refused = error if error.exit_code == NOT_EXECUTABLE else refused
        else:
            return candidate
    raise refused or ProgramFault(
        f'exec: "{name}": executable file not found in $PATH',
        exit_code=NOT_FOUND,
        hint="name a program of the image, or its whole path",
    )


def _check_executable(path: str, name: str) -> None:
    try:
        status = os.stat(path)
    except OSError as error:
        raise _cannot_execute(path, name, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise ProgramFault(f'exec: "{name}": is a directory', exit_code=NOT_EXECUTABLE)
    if not os.access(path, os.X_OK):
        raise _forbidden(path, name)


def _cannot_execute(path: str, name: str, error: OSError) -> ProgramFault:
    if error.errno == errno.EACCES:
        return _forbidden(path, name)
    code = NOT_EXECUTABLE if error.errno == errno.ELOOP else NOT_FOUND
    words = os.strerror(error.errno or 0).lower()
    return ProgramFault(f'exec: "{name}": {words}', answered=describe_errno(error), exit_code=code)


def _forbidden(path: str, name: str) -> ProgramFault:
    """With the reason that a mode of the image gives: of the file, or of a folder on its way."""
    closed = _closed_folder(path)
    return ProgramFault(
        f'exec: "{name}": permission denied',
        answered=f"uid {os.getuid()} may not "
        + (f"enter {closed}" if closed else f"execute {path}"),
        hint=f"`chmod {f'755 {closed}' if closed else f'+x {path}'}` in the image",
        exit_code=NOT_EXECUTABLE,
    )


def _closed_folder(path: str) -> str:
    """The first folder on the way that this user may not enter."""
    for end in (index for index, character in enumerate(path) if character == "/"):
        folder = path[:end] or "/"
        if not os.access(folder, os.X_OK):
            return folder
    return ""


def execute(path: str, arguments: list[str], environment: dict[str, str]) -> None:
    """Returns only by raising ProgramFault."""
    try:
        os.execve(path, arguments, environment)
    except OSError as error:
        raise describe_refusal(path, error) from error


def describe_refusal(path: str, error: OSError) -> ProgramFault:
    """What execve(2) meant. Pure."""
    if error.errno == errno.ENOENT:
        hint = "its interpreter or loader is not in the image"
        return ProgramFault(
            f'exec: "{path}": no such file or directory', exit_code=NOT_FOUND, hint=hint
        )
    if error.errno == errno.ENOEXEC:
        hint = "it is for another architecture, or a script without a `#!` line"
        return ProgramFault(
            f'exec: "{path}": exec format error', exit_code=NOT_EXECUTABLE, hint=hint
        )
    words = os.strerror(error.errno or 0).lower()
    return ProgramFault(
        f'exec: "{path}": {words}', answered=describe_errno(error), exit_code=NOT_EXECUTABLE
    )
