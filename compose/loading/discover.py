"""Which files, which project directory, which `.env`: what Compose finds when nothing is said.

Reads the environment and looks at folders. Source: section 5 of the Compose file reference.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable, Mapping

from compose.errors import Fault, InvalidFile, NotFound, nearest
from compose.loading.dotenv import parse_dotenv
from compose.loading.environment import Environment
from compose.loading.naming import said_name
from compose.loading.parse import MOST_BYTES, decode
from compose.loading.remote_names import is_remote
from compose.loading.report import Report
from compose.loading.request import LoadRequest
from compose.model.attribute import attribute, attributes
from compose.position import File, Position, current_folder

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_PIPES: dict[int, bytes] = {}
"""What came out of `<(command)`, by the pipe's inode."""
_TRUE = ("1", "t", "T", "TRUE", "true", "True")


@attributes
class Sources:
    """What is to be loaded: absolute files (`-` is standard input), in the order of merging.

    `naming_dir` is whose name the project gets when nothing says one.
    """

    files: tuple[str, ...] = attribute()
    working_dir: str = attribute()
    naming_dir: str = attribute()
    environment: Environment = attribute()


def discover(request: LoadRequest, report: Report) -> Sources:
    """Find files and environment. Raises NotFound and InvalidFile."""
    cwd = os.path.abspath(request.cwd or current_folder())
    environment = Environment(request.shell)
    if "PWD" not in environment:
        environment.put("PWD", cwd)
    shell = environment.copy()
    named = _absolute(cwd, request.files)
    folder = _folder(request, cwd, named)
    _fill(environment, shell, request, cwd, folder, report)
    files = named or _from_variable(environment, cwd)
    files = files or _search(folder, report)
    if not files:
        # with a name that can be used, verbs that need no more would not have come here
        said_name(request.project_name, environment)
        raise NotFound(
            f"there is no compose.yaml in {folder} or above it",
            code="E001",
            hint="give the file with -f, or go to the project's folder",
        )
    folder = _folder(request, cwd, files)
    _fill(environment, shell, request, cwd, folder, report)
    report.find_example = lambda: _example_beside(folder)
    files = tuple(local for name in files for local in _fetched(name, report))
    return Sources(
        files=files,
        # what is remote has its paths in its copy, and its name and .env from where the user is
        working_dir=_folder(request, cwd, files),
        naming_dir=folder,
        environment=environment,
    )


def _fetched(name: str, report: Report) -> tuple[str, ...]:
    return report.remote.files_of(name) if is_remote(name) else (name,)


def _absolute(cwd: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        name if name == "-" or is_remote(name) else os.path.normpath(os.path.join(cwd, name))
        for name in names
    )


def _folder(request: LoadRequest, cwd: str, files: tuple[str, ...]) -> str:
    if request.project_directory:
        return os.path.normpath(os.path.join(cwd, request.project_directory))
    first = next((file for file in files if file != "-"), None)
    return os.path.dirname(first) if first and not is_remote(first) else cwd


def _from_variable(environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
    names = environment.get("COMPOSE_FILE", "")
    if not names:
        return ()
    separator = environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
    return _absolute(cwd, names.split(separator))


def _search(folder: str, report: Report) -> tuple[str, ...]:
    """The file of the nearest folder that has one, with its override."""
    while True:
        found = _present(folder, NAMES)
        if found:
            overrides = _present(folder, OVERRIDES)
            _warn_of_several(found, "config", report)
            _warn_of_several(overrides, "override", report)
            return (*found[:1], *overrides[:1])
        parent = os.path.dirname(folder)
        if parent == folder:
            return ()
        folder = parent


def _present(folder: str, names: tuple[str, ...]) -> list[str]:
    paths = (os.path.join(folder, name) for name in names)
    return [path for path in paths if os.path.exists(path)]


def _warn_of_several(found: list[str], kind: str, report: Report) -> None:
    if len(found) > 1:
        names = ", ".join(found)
        report.warn("W003", f"Found multiple {kind} files with supported names: {names}")
        report.warn("W003", f"Using {found[0]}")


# ---- .env
# ------------------------------------------------------------------------------------------------


def _fill(
    environment: Environment,
    shell: Environment,
    request: LoadRequest,
    cwd: str,
    folder: str,
    report: Report,
) -> None:
    for path in _env_files(request, shell, cwd, folder):
        _must_exist(path)
    read_env_files(_env_files(request, shell, cwd, folder), environment, report)


def _env_files(
    request: LoadRequest, shell: Mapping[str, str], cwd: str, folder: str
) -> tuple[str, ...]:
    names = request.env_files or tuple(filter(None, shell.get("COMPOSE_ENV_FILES", "").split(",")))
    if names:
        return _absolute(cwd, names)
    path = os.path.join(folder, ".env")
    disabled = shell.get("COMPOSE_DISABLE_ENV_FILE", "") in _TRUE
    return () if disabled or not os.path.isfile(path) else (path,)


def _example_beside(folder: str) -> str:
    """What stands in for a `.env` that nobody has written yet."""
    try:
        names = os.listdir(folder)
    except OSError:
        return ""
    return "" if ".env" in names else example_of(".env", names)


def _must_exist(path: str) -> None:
    if not os.path.exists(path):
        raise NotFound(
            f"couldn't find env file: {path}", code="E003", hint="mind the spelling of --env-file"
        )


def read_env_files(
    paths: Iterable[str],
    environment: Environment,
    report: Report,
    where: Position | None = None,
) -> None:
    """Fill gaps of the environment; a later file wins over an earlier and may refer to it."""
    read = Environment()
    faults: list[Fault] = []

    def unset(name: str, where: Position) -> None:
        report.warn_unset(name, where, environment)

    for path in paths:
        try:
            file = read_text(path, report, where, what="env file")
            found = parse_dotenv(file, environment.get, unset, read)
        except InvalidFile as invalid:
            faults += invalid.faults
            continue
        for name, variable in found.items():
            read.put(name, variable.value, variable.where)
    if faults:
        raise InvalidFile(*faults)
    for name, value in read.items():
        if name not in environment:
            environment.put(name, value, read.place_of(name))


# ---- reading
# ---------------------------------------------------------------------------------------------


def read_text(
    path: str, report: Report, where: Position | None = None, *, what: str = "file"
) -> File:
    """A regular file, a shell's `<(command)`, or standard input for `-`. Raises InvalidFile with
    the place that named it."""
    if path == "-":
        return decode(path, sys.stdin.buffer.read(MOST_BYTES + 1))
    try:
        if "\0" in path:
            raise OSError(errno.EINVAL, "the name holds a null byte")
        report.remote.refuse_outside(path, where)
        data = _read(path)
    except OSError as error:
        raise _unreadable(path, error, where, what, report) from error
    file = decode(path, data, report.remote.shown(path))
    file.is_secret = what == "env file"
    return file


def _read(path: str) -> bytes:
    # O_NONBLOCK: opening a FIFO without a writer would wait for one without end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if stat.S_ISFIFO(kind) and _is_substitution(descriptor):
            return _read_pipe(descriptor)
        if not stat.S_ISREG(kind) and not _is_null(descriptor):
            raise OSError(errno.EINVAL, "no regular file", path)
        return stream.read(MOST_BYTES + 1)


def _is_substitution(descriptor: int) -> bool:
    """A pipe without a name, which a shell made for `<(command)`: its writer is there, where a FIFO
    in a project would wait for one without end."""
    return os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:")


def _read_pipe(descriptor: int) -> bytes:
    """To its end. It can be had once, and is kept for who reads the file again."""
    pipe = os.fstat(descriptor).st_ino
    if pipe not in _PIPES:
        os.set_blocking(descriptor, True)
        with open(descriptor, "rb", closefd=False) as stream:
            _PIPES[pipe] = stream.read(MOST_BYTES + 1)
    return _PIPES[pipe]


def _is_null(descriptor: int) -> bool:
    return os.fstat(descriptor).st_rdev == os.stat(os.devnull).st_rdev


def _unreadable(
    path: str, error: OSError, where: Position | None, what: str, report: Report
) -> InvalidFile:
    shown = report.shown(path)
    reason = (error.strerror or str(error)).lower()
    message = f"cannot read the {what} {shown}: {reason}"
    return InvalidFile(Fault("E002", message, where=where, hint=_nearest_file(path)))


def _nearest_file(path: str) -> str:
    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except ValueError:  # a null byte in it
        return ""
    except OSError:
        return f"the folder {folder} does not exist" if not os.path.isdir(folder) else ""
    if name in names:
        return "name a file in that folder" if os.path.isdir(path) else ""
    if example := example_of(name, names):
        shown = File(os.path.join(folder, example)).shown
        return f"copy {shown} to {File(path).shown}, and fill it in"
    near = nearest(name, names, cutoff=0.7)
    return f"did you mean {near}?" if near else ""


def example_of(name: str, names: Iterable[str]) -> str:
    """The file that its project gives in place of one that everybody writes for himself:
    `.env.example` for `.env`."""
    kinds = ("example", "sample", "template", "dist", "default")
    found = [other for other in names if name.strip(".") in other and other.endswith(kinds)]
    found += [other for other in names if other.endswith(name) and other.startswith(kinds)]
    return min(found, key=len, default="")
