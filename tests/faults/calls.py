"""What strace saw of our processes, and which of it changed something outside a fault point.

A process of ours ends to be one when it executes anything but our interpreter: from there on its calls, and its
children's, are the user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

PATHS = (
    "mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mknod,mknodat,"
    "chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,truncate,ftruncate,setxattr,lsetxattr,fsetxattr,"
    "removexattr,utimensat,fallocate,copy_file_range,sendfile,splice"
)
ONLY_FOLLOWED = ("clone", "fork", "vfork", "execve", "execveat", "clone3", "sendfile", "splice")
KERNEL = (
    "mount,umount2,pivot_root,move_mount,fsmount,open_tree,mount_setattr,setns,unshare,sethostname,setdomainname,"
    "bpf,keyctl,seccomp,capset,prlimit64,setrlimit,setresuid,setresgid,setuid,setgid,setgroups,bind,listen,"
    "clone3,quotactl,swapon,kill,tkill,pidfd_send_signal"
)
WATCHED = (
    f"{PATHS},{KERNEL},write,pwrite64,writev,open,openat,openat2,sendto,sendmsg,prctl,"
    "execve,execveat,clone,fork,vfork"
)

_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)")
_POINT = re.compile(r'"(\w+) \d+ (-?)([^"\\]*)\\n"')
_FILE = re.compile(r"^\d+<(/[^>]*)>")


class Call(NamedTuple):
    task: str
    name: str
    arguments: str
    result: str

    def __str__(self) -> str:
        return f"{self.name}({self.arguments})"


class Outside(NamedTuple):
    """A call that changes something and stands in no fault point."""

    process: str
    call: Call


def parse(lines: Iterable[str]) -> Iterator[Call]:
    """The calls that succeeded. One that was interrupted by another task's line is put together again."""
    begun: dict[str, str] = {}
    for line in lines:
        task = line.split(" ", 1)[0]
        if line.rstrip().endswith("<unfinished ...>"):
            begun[task] = line.rstrip().removesuffix("<unfinished ...>")
            continue
        if "resumed>" in line and task in begun:
            line = begun.pop(task) + line.split("resumed>", 1)[1]
        found = _CALL.match(line)
        if found and not found[4].startswith("-"):
            yield Call(found[1], found[2], found[3], found[4])


def outside(calls: Iterable[Call], *, trace: str, interpreter: str) -> Iterator[Outside]:
    """Those that change something while their task is in no point. `trace` is the file of PYCOMPOSE_FAULT_TRACE."""
    depth: dict[str, int] = {}
    names: dict[str, str] = {}
    foreign: set[str] = set()
    for call in calls:
        if call.name in ("clone", "clone3", "fork", "vfork") and call.task in foreign:
            foreign.add(call.result)
        if call.name in ("execve", "execveat"):
            (foreign.discard if interpreter in call.arguments else foreign.add)(call.task)
        if call.task in foreign:
            continue
        if call.name == "write" and f"<{trace}>" in call.arguments:
            if point := _POINT.search(call.arguments):
                names[call.task] = point[1]
                depth[call.task] = depth.get(call.task, 0) + (-1 if point[2] else 1)
            continue
        if changes_something(call, trace) and depth.get(call.task, 0) <= 0:
            yield Outside(names.get(call.task, "?"), call)


def changes_something(call: Call, trace: str) -> bool:
    """Whether something is different afterwards for somebody else. Pure."""
    if "__pycache__" in call.arguments:
        return False  # the interpreter's own, written and renamed as a whole
    if call.name in ("open", "openat", "openat2"):
        return _opens_to_change(call.arguments, trace)
    if call.name in ("write", "pwrite64", "writev", "ftruncate", "fallocate"):
        file = _FILE.match(call.arguments)
        return file is not None and not _is_a_stream(file[1])
    if call.name in ("sendto", "sendmsg"):
        return "NETLINK" in call.arguments and "GET" not in call.arguments
    if call.name == "bind":
        return "AF_NETLINK" not in call.arguments
    if call.name == "keyctl":
        return not call.arguments.startswith("KEYCTL_DESCRIBE")
    if call.name == "prlimit64":
        return "NULL," not in call.arguments.split("RLIMIT", 1)[-1]
    if call.name == "prctl":
        return "PR_CAPBSET_DROP" in call.arguments
    return call.name not in ONLY_FOLLOWED


def _opens_to_change(arguments: str, trace: str) -> bool:
    if trace in arguments or "O_TMPFILE" in arguments:
        return False
    path = arguments.split('"')[1] if '"' in arguments else ""
    creates = "O_CREAT" in arguments or "O_TRUNC" in arguments
    return creates and not _is_a_stream(path)


def _is_a_stream(path: str) -> bool:
    return path.startswith(("/dev/", "/memfd:", "pipe:", "socket:"))
