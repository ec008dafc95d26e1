"""One commit of a git repository, fetched with the `git` program and kept by its hash.

Who wrote the address may be nobody's friend. So git speaks https, http, git and ssh alone, runs no
hook, asks nobody, takes no submodule, has no terminal, and ends with everything that it started
when its time is over. What it sends is measured before it is unpacked. Nothing of the repository is
run but the filters that the user's own configuration names.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping

from compose.errors import Fault, InvalidFile, nearest
from compose.loading.discover import NAMES
from compose.loading.remote_names import GitName
from compose.position import Position

MOST_BYTES = 1 << 30
"""Of a pack, and of all files of a commit."""
MOST_FILES = 100_000
_MOST_SAID = 32 << 20
"""Of what git prints: the list of so many files."""
_OLD = 3600.0
"""Seconds after which a folder that was begun is nobody's any more."""

_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.symlinks=true",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.fsckObjects=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "init.defaultBranch=main",
    "advice.detachedHead=false",
)
_OF_A_REPOSITORY = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_TEMPLATE_DIR",
    "GIT_EXTERNAL_DIFF",
)
"""Variables of the repository whose hook may have called us."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NO_SUCH_REF = 2


def fetch(
    name: GitName,
    folder: str,
    environment: Mapping[str, str],
    seconds: float,
    where: Position | None,
) -> str:
    """The folder of the copy of what the name means now, below `folder`. Raises InvalidFile,
    OSError."""
    git = _Git(name, environment, time.monotonic() + seconds, where)
    commit, ref = git.resolve()
    if name.commit and not commit.startswith(name.commit):
        raise git.failed(f"it is at {commit[:12]}, not at {name.commit}")
    top = os.path.join(folder, commit)
    if os.path.isdir(top):
        return top
    os.makedirs(folder, mode=0o700, exist_ok=True)
    _remove_old(folder)
    work = tempfile.mkdtemp(prefix="new-", dir=folder)
    try:
        found = git.check_out(work, ref, commit)
        if name.commit and not found.startswith(name.commit):
            raise git.failed(f"it is at {found[:12]}, not at {name.commit}")
        top = os.path.join(folder, found)
        try:
            os.rename(os.path.join(work, "tree"), top)
        except OSError:
            if not os.path.isdir(top):  # another process was not faster, either
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return top


def compose_file(name: GitName, top: str, where: Position | None) -> str:
    """The file that is meant: named, or the first of a folder that Compose looks for. Raises
    InvalidFile."""
    path = os.path.join(top, name.path) if name.path else top
    if not os.path.isdir(path):
        if os.path.exists(path):
            return path
        near = _near(path)
        hint = f"did you mean {name.at(os.path.relpath(near, top))}?" if near else ""
        raise InvalidFile(
            Fault("E001", f"there is no {name.path} in {name.at('')}", where=where, hint=hint)
        )
    for candidate in NAMES:
        found = os.path.join(path, candidate)
        if os.path.isfile(found):
            return found
    raise InvalidFile(
        Fault(
            "E001",
            f"there is no compose.yaml in {name}",
            where=where,
            hint=f"name a folder or file of the repository: {name.at('FOLDER')}",
        )
    )


def _near(path: str) -> str:
    folder, name = os.path.split(path)
    try:
        near = nearest(name, os.listdir(folder), cutoff=0.7)
    except OSError:
        return ""
    return os.path.join(folder, near) if near else ""


def _remove_old(folder: str) -> None:
    """What a killed process began."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith("new-") and time.time() - os.stat(path).st_mtime > _OLD:
            shutil.rmtree(path, ignore_errors=True)


class _Git:
    """One repository, asked until a time."""

    def __init__(
        self, name: GitName, environment: Mapping[str, str], end: float, where: Position | None
    ) -> None:
        self.name = name
        self.end = end
        self.where = where
        self.environment = _environment(environment)
        self.program = self._find_program()

    def _find_program(self) -> str:
        found = shutil.which("git", path=self.environment.get("PATH"))
        if found and os.path.isabs(found):  # one of the project's folder is not run
            return found
        raise InvalidFile(
            Fault(
                "E007",
                f"cannot fetch {self.name.at('')}: the program `git` is not there",
                where=self.where,
                hint="install it: apt-get install git",
            )
        )

    # --- what is asked

    def resolve(self) -> tuple[str, str]:
        """The commit, and what to ask the repository for to get it."""
        ref = self.name.ref or "HEAD"
        if _COMMIT.fullmatch(ref):
            return ref, ref
        address = self.name.address
        status, said, complaint = self._run(
            "ls-remote", "--exit-code", "--", address, ref, f"{ref}^{{}}"
        )
        if status == _NO_SUCH_REF:
            raise self._unknown_ref(ref)
        if status != 0:
            raise self.failed(complaint)
        lines = (line.partition("\t") for line in said.splitlines())
        found = {full: commit for commit, _, full in lines}
        for full in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/{ref}"):
            commit = found.get(f"{full}^{{}}") or found.get(full, "")
            if _COMMIT.fullmatch(commit):
                return commit, full
        raise self._unknown_ref(ref)

    def _unknown_ref(self, ref: str) -> InvalidFile:
        status, said, _ = self._run("ls-remote", "--heads", "--tags", "--", self.name.address)
        refs = [line.partition("\t")[2] for line in said.splitlines()] if status == 0 else []
        short = {re.sub(r"^refs/(?:heads|tags)/|\^\{\}$", "", full): None for full in refs}
        near = nearest(ref, short)
        hint = f"did you mean `{near}`?" if near else ""
        if not hint and short:
            hint = f"it has {', '.join(list(short)[:10])}"
        address = self.name._replace(ref="").at("")
        message = f"{address} has no branch or tag `{ref}`"
        return InvalidFile(Fault("E007", message, where=self.where, hint=hint))

    def check_out(self, work: str, ref: str, commit: str) -> str:
        """Fetch into `work`/git, write the files to `work`/tree; the commit that it was."""
        store, tree = os.path.join(work, "git"), os.path.join(work, "tree")
        os.mkdir(tree, 0o755)  # mounted into containers whose user may be any
        kind = "sha256" if len(commit) == 64 else "sha1"
        self._must("init", "--quiet", "--bare", "--template=", f"--object-format={kind}", store)
        self._must(
            *("--git-dir", store, "fetch", "--quiet", "--depth=1", "--no-tags"),
            *("--no-recurse-submodules", "--", self.name.address, ref),
            largest=MOST_BYTES,
        )
        found = self._must("--git-dir", store, "rev-parse", "FETCH_HEAD^{commit}").strip()
        if not _COMMIT.fullmatch(found):
            raise self.failed(f"`{ref}` is no commit")
        self._measure(store, found)
        self._must(
            *("--git-dir", store, "--work-tree", tree),
            *("checkout", "--quiet", "--force", "--detach", found),
            largest=MOST_BYTES,
        )
        return found

    def _measure(self, store: str, commit: str) -> None:
        """Git packs well: a pack of a kilobyte may unpack to more than any disk has."""
        listed = self._must("--git-dir", store, "ls-tree", "-r", "-l", commit)
        lines = listed.splitlines()
        sizes = [int(size) for line in lines if (size := line.split()[3]).isdigit()]
        if len(lines) > MOST_FILES or sum(sizes) > MOST_BYTES:
            raise self.failed(
                f"it has {len(lines)} files of {sum(sizes) >> 20} MiB;"
                f" {MOST_FILES} of {MOST_BYTES >> 20} MiB are allowed"
            )

    # --- how

    def _must(self, *words: str, largest: int = _MOST_SAID) -> str:
        status, said, complaint = self._run(*words, largest=largest)
        if status != 0:
            raise self.failed(complaint)
        return said

    def _run(self, *words: str, largest: int = _MOST_SAID) -> tuple[int, str, str]:
        """(exit status, what it printed, what it complained of). No file grows above `largest`."""
        options = [word for option in _OPTIONS for word in ("-c", option)]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [self.program, *options, *words],
                env=self.environment,
                cwd="/",  # no repository of the caller has a say
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # no terminal to ask on; killed with all that it starts
            )
            try:
                _limit(process.pid, largest)
                status = process.wait(timeout=max(0.0, self.end - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise self._too_slow() from None
            finally:
                _end(process)
            out.seek(0)
            said = out.read(_MOST_SAID)
            if len(said) == _MOST_SAID:
                raise self.failed("it has more files or branches than anybody reads")
            err.seek(0, os.SEEK_END)
            err.seek(max(0, err.tell() - 4096))
            return status, said.decode("utf-8", "replace"), err.read().decode("utf-8", "replace")

    # --- what went wrong

    def failed(self, complaint: str) -> InvalidFile:
        """What git says, without its own words round it."""
        reason = _reason(complaint.splitlines())
        message = f"cannot fetch {self.name.at('')}: {reason}"
        return InvalidFile(
            Fault("E007", message, where=self.where, hint=_hint(complaint, self.name))
        )

    def _too_slow(self) -> InvalidFile:
        address = self.name.at("")
        return InvalidFile(
            Fault(
                "E008",
                f"cannot fetch {address}: its server did not send it in time",
                where=self.where,
                hint="PYCOMPOSE_REMOTE_TIMEOUT gives it more seconds than 120",
            )
        )


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The user's own: proxies, keys and helpers are there. Asking is left out unless the user says
    otherwise, as Docker Compose does."""
    kept = {key: value for key, value in environment.items() if key not in _OF_A_REPOSITORY}
    kept.setdefault("GIT_TERMINAL_PROMPT", "0")
    if not kept.get("GIT_SSH") and not kept.get("GIT_SSH_COMMAND"):
        kept["GIT_SSH_COMMAND"] = "ssh -o ControlMaster=no -o BatchMode=yes"
    kept.setdefault("PATH", os.defpath)
    kept |= {"GIT_ALLOW_PROTOCOL": "https:http:git:ssh", "GIT_LFS_SKIP_SMUDGE": "1", "LC_ALL": "C"}
    return kept


def _limit(pid: int, largest: int) -> None:
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, largest))
    except OSError:
        pass  # it has ended, or may have less


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing that it started stays."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _reason(lines: Iterable[str]) -> str:
    """The line that says most: git's own, else the server's, else the last."""
    said = [line.strip() for line in lines if line.strip()]
    for begin in ("fatal: ", "error: ", "remote: "):
        for line in said:
            if line.startswith(begin):
                return line.removeprefix(begin)
    return said[-1] if said else "git says nothing"


def _hint(complaint: str, name: GitName) -> str:
    if "terminal prompts disabled" in complaint or "Authentication failed" in complaint:
        return "git needs a login and asks nobody here: store one with a credential helper"
    if "Permission denied (publickey" in complaint:
        return "load the key into ssh-agent: nobody is asked for its passphrase here"
    if "Host key verification failed" in complaint:
        return "connect once with ssh, to check and accept the host's key"
    if "not found" in complaint or "does not exist" in complaint:
        return "mind the spelling; of a private repository a login is needed"
    return ""
