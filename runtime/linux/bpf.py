"""bpf(2), as far as a device filter of a cgroup needs it: load, attach, replace, list, detach.

The program itself is assembled in cgroups/devices.py. Every attribute block is zero-filled and
longer than any kernel reads or writes: kernels 6.17 to 7.1 write a `revision` past the end of
shorter ones (C22).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from runtime.linux import calls, faults

PROG_LOAD = 5
PROG_ATTACH = 8
PROG_DETACH = 9
PROG_GET_FD_BY_ID = 13
PROG_QUERY = 16

CGROUP_DEVICE_PROGRAM = 15
CGROUP_DEVICE_HOOK = 6
ALLOW_MULTI = 2
REPLACE = 4

_ATTRIBUTE_BYTES = 256
_LOG_BYTES = 64 * 1024
_MAX_PROGRAMS = 64
_LOAD_ATTEMPTS = 30
_NUMBERS = {
    "x86_64": 321,
    "i686": 357,
    "aarch64": 280,
    "riscv64": 280,
    "loongarch64": 280,
    "armv7l": 386,
    "ppc64le": 361,
    "s390x": 351,
}
_syscall = ctypes.CDLL(None, use_errno=True)["syscall"]
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_ulong)


def _call(command: int, attributes: bytes) -> tuple[int, bytes]:
    """The result and the attribute block as the kernel left it."""
    block = ctypes.create_string_buffer(attributes, _ATTRIBUTE_BYTES)
    number = _NUMBERS.get(os.uname().machine, -1)
    result = int(_syscall(number, command, ctypes.addressof(block), _ATTRIBUTE_BYTES))
    if result == -1:
        calls.raise_errno("bpf")
    return result, block.raw


def _descriptor(result: int) -> int:
    """Never 0: a program there would be taken for "none" (C22), and standard input be lost."""
    if result > 2:
        return result
    moved = _duplicate_above(result)
    os.close(result)
    return moved


def _duplicate_above(descriptor: int) -> int:
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)


def load_device_program(program: bytes, *, name: str) -> int:
    """A descriptor of the verified program. Raises OSError, whose file name ends with the
    verifier's words.
    """
    try:
        return _load(_load_attributes(program, name, log=None))
    except OSError as error:
        error.filename = f"bpf: {_ask_why(program, name)}".rstrip(": ")
        raise


def _ask_why(program: bytes, name: str) -> str:
    """Once more, with a log: asked for at first, a long program's would overflow it, an error in
    itself.
    """
    log = ctypes.create_string_buffer(_LOG_BYTES)
    try:
        os.close(_load(_load_attributes(program, name, log=log)))
    except OSError:
        lines = log.value.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
    return ""


def _load_attributes(
    program: bytes, name: str, *, log: ctypes.Array[ctypes.c_char] | None
) -> bytes:
    # Both buffers must outlive the call: they hang on the function until the next one.
    _kept[:] = [
        ctypes.create_string_buffer(program, len(program)),
        ctypes.create_string_buffer(b"GPL"),
    ]
    return struct.pack(
        "=IIQQIIQII16s",
        CGROUP_DEVICE_PROGRAM,
        len(program) // 8,
        ctypes.addressof(_kept[0]),
        ctypes.addressof(_kept[1]),
        0 if log is None else 1,
        0 if log is None else _LOG_BYTES,
        0 if log is None else ctypes.addressof(log),
        0,
        0,
        name.encode()[:15],
    )


_kept: list[ctypes.Array[ctypes.c_char]] = []


def _load(attributes: bytes) -> int:
    for attempt in range(_LOAD_ATTEMPTS):
        try:
            with faults.point("load device filter"):
                return _descriptor(_call(PROG_LOAD, attributes)[0])
        except OSError as error:
            # C22: the verifier was interrupted by a signal, or found the machine busy
            if error.errno != errno.EAGAIN or attempt == _LOAD_ATTEMPTS - 1:
                raise
    raise AssertionError


def attach(cgroup: int, program: int, *, replaced: int | None = None) -> None:
    """Attach to the cgroup's folder descriptor, in place of the program `replaced` when given."""
    flags = ALLOW_MULTI | (REPLACE if replaced is not None else 0)
    with faults.point("attach device filter"):
        _call(
            PROG_ATTACH,
            struct.pack("=IIIII", cgroup, program, CGROUP_DEVICE_HOOK, flags, replaced or 0),
        )


def detach(cgroup: int, program: int) -> None:
    with faults.point("detach device filter"):
        _call(PROG_DETACH, struct.pack("=III", cgroup, program, CGROUP_DEVICE_HOOK))


def attached_programs(cgroup: int) -> list[int]:
    """Ids of the device programs attached to this cgroup itself."""
    ids = (ctypes.c_uint32 * _MAX_PROGRAMS)()
    attributes = struct.pack(
        "=IIIIQI", cgroup, CGROUP_DEVICE_HOOK, 0, 0, ctypes.addressof(ids), _MAX_PROGRAMS
    )
    _result, block = _call(PROG_QUERY, attributes)
    (count,) = struct.unpack_from("=I", block, 24)
    return [int(ids[index]) for index in range(count)]


def open_program(program_id: int) -> int:
    """A descriptor of a loaded program. Raises OSError (ENOENT) when it is gone."""
    return _descriptor(_call(PROG_GET_FD_BY_ID, struct.pack("=I", program_id))[0])
