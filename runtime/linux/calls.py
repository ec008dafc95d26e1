"""System calls that Python 3.11 lacks, as functions that raise OSError.

One table of ctypes prototypes; the modules beside it give them meaning. Everything is declared at
import, so a forked child only calls (P09). Numbers from 424 on are the same on every architecture;
older calls go through libc, but for a few that it lacks or spoils. Source: the man pages; P07
(PyDLL for clone3), P08 (errno right after the call, full-width arguments).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import NoReturn

_libc = ctypes.CDLL(None, use_errno=True)

_NUMBER = ctypes.c_long
_INT = ctypes.c_long
_WORD = ctypes.c_ulong
_TEXT = ctypes.c_char_p
_POINTER = ctypes.c_void_p

_GENERIC = {
    "keyctl": 219,
    "rt_sigaction": 134,
    "setgroups": 159,
    "setresgid": 149,
    "setresuid": 147,
}
OLD_NUMBERS = {
    "x86_64": {
        "keyctl": 250,
        "rt_sigaction": 13,
        "setgroups": 116,
        "setresgid": 119,
        "setresuid": 117,
    },
    "aarch64": _GENERIC,
    "riscv64": _GENERIC,
    "loongarch64": _GENERIC,
    "ppc64le": {
        "keyctl": 271,
        "rt_sigaction": 173,
        "setgroups": 81,
        "setresgid": 169,
        "setresuid": 164,
    },
    "s390x": {
        "keyctl": 280,
        "rt_sigaction": 174,
        "setgroups": 206,
        "setresgid": 210,
        "setresuid": 208,
    },
}


def raise_errno(what: str) -> NoReturn:
    """The OSError of the ctypes call just made; `what` stands as its file name."""
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), what)


def _direct(name: str, number: int, *types: type) -> Callable[..., int]:
    """A call by number. Each name gets a function object of its own, with its own argument
    types."""
    function = _libc["syscall"]
    function.restype = ctypes.c_long
    function.argtypes = (_NUMBER, *types)

    def call(*arguments: object) -> int:
        result: int = function(number, *arguments)
        if result == -1:
            raise_errno(name)
        return result

    return call


def _library(name: str, *types: type) -> Callable[..., int]:
    function = _libc[name]
    function.restype = ctypes.c_int
    function.argtypes = types

    def call(*arguments: object) -> int:
        result: int = function(*arguments)
        if result == -1:
            raise_errno(name)
        return result

    return call


mount = _library("mount", _TEXT, _TEXT, _TEXT, _WORD, _TEXT)
umount2 = _library("umount2", _TEXT, ctypes.c_int)
pivot_root = _library("pivot_root", _TEXT, _TEXT)
setns = _library("setns", ctypes.c_int, ctypes.c_int)
unshare = _library("unshare", ctypes.c_int)
prctl = _library("prctl", ctypes.c_int, _WORD, _WORD, _WORD, _WORD)
capget = _library("capget", _POINTER, _POINTER)
capset = _library("capset", _POINTER, _POINTER)
fstatfs = _library("fstatfs", ctypes.c_int, _POINTER)
tee = _library("tee", ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint)
syncfs = _library("syncfs", ctypes.c_int)
sync_file_range = _library(
    "sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint
)
sigprocmask = _library("sigprocmask", ctypes.c_int, _POINTER, _POINTER)
sethostname = _library("sethostname", _TEXT, ctypes.c_size_t)
getsockopt = _library("getsockopt", ctypes.c_int, ctypes.c_int, ctypes.c_int, _POINTER, _POINTER)
setdomainname = _library("setdomainname", _TEXT, ctypes.c_size_t)

open_tree = _direct("open_tree", 428, _INT, _TEXT, _WORD)
move_mount = _direct("move_mount", 429, _INT, _TEXT, _INT, _TEXT, _WORD)
fsopen = _direct("fsopen", 430, _TEXT, _WORD)
fsconfig = _direct("fsconfig", 431, _INT, _WORD, _TEXT, _TEXT, _INT)
fsmount = _direct("fsmount", 432, _INT, _WORD, _WORD)
close_range = _direct("close_range", 436, _WORD, _WORD, _WORD)
openat2 = _direct("openat2", 437, _INT, _TEXT, _POINTER, ctypes.c_size_t)
mount_setattr = _direct("mount_setattr", 442, _INT, _TEXT, _WORD, _POINTER, ctypes.c_size_t)


signal = _libc["signal"]
"""Set a disposition: -1 for a signal that has none. Far cheaper than signal.signal, which makes an
enumeration member of each argument."""
signal.restype = ctypes.c_long
signal.argtypes = (ctypes.c_int, ctypes.c_long)


def _old(name: str, *types: type) -> Callable[..., int]:
    """A call whose number differs between architectures; ENOSYS on one that the table lacks."""
    return _direct(name, OLD_NUMBERS.get(os.uname().machine, {}).get(name, -1), *types)


keyctl = _old("keyctl", _INT, _POINTER, _WORD, _WORD, _WORD)
rt_sigaction = _old("rt_sigaction", _INT, _POINTER, _POINTER, ctypes.c_size_t)
# P15: by number. The library's functions first tell all threads that it knows of, and after a bare
# clone3 it waits for ever for those that the parent had.
setgroups = _old("setgroups", _WORD, _POINTER)
setresgid = _old("setresgid", _WORD, _WORD, _WORD)
setresuid = _old("setresuid", _WORD, _WORD, _WORD)

_holding_the_lock = ctypes.PyDLL(None, use_errno=True)
_clone3 = _holding_the_lock["syscall"]
_clone3.restype = ctypes.c_long
_clone3.argtypes = (_NUMBER, _POINTER, ctypes.c_size_t)
_before_fork = ctypes.pythonapi.PyOS_BeforeFork
_after_fork_child = ctypes.pythonapi.PyOS_AfterFork_Child
_after_fork_parent = ctypes.pythonapi.PyOS_AfterFork_Parent
for _hook in (_before_fork, _after_fork_child, _after_fork_parent):
    _hook.restype = None
    _hook.argtypes = ()


def clone3(arguments: ctypes.Structure) -> int:
    """Fork with clone_args: 0 in the child, the child's pid in the parent.

    P07: the lock of the interpreter stays held across the call (PyDLL), and the interpreter's own
    fork hooks run around it, as os.fork() does; with CDLL the child would wait for a lock that
    nobody gives back.
    """
    _before_fork()
    pid = int(_clone3(435, ctypes.byref(arguments), ctypes.sizeof(arguments)))
    number = ctypes.get_errno()
    if pid == 0:
        _after_fork_child()
        return 0
    _after_fork_parent()
    if pid < 0:
        raise OSError(number, os.strerror(number), "clone3")
    return pid
