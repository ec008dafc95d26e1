"""Who the container's process is: `user` and `group_add` looked up in the container's own files.

The files belong to whoever made the image: they are opened in the root, must be regular, and are
read up to a bound (V24). No name service takes part (P09). Digits are a number and never a name
(V31). Source: D34, V13, L50.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from runtime.errors import RuntimeFault, describe_errno
from runtime.linux import openat
from runtime.linux.identity import MAX_ID

MAX_SIZE = 4 * 1024 * 1024
"""Bytes read of /etc/passwd or /etc/group; a larger file is refused."""


class Identity(NamedTuple):
    """Numbers for the kernel, and the home directory for HOME. `home` is empty until it was looked
    up."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = ""


class Account(NamedTuple):
    """A line of passwd."""

    name: str
    uid: int
    gid: int
    home: str


class Group(NamedTuple):
    """A line of group."""

    name: str
    gid: int
    members: tuple[str, ...]


def parse_passwd(data: bytes) -> Iterator[Account]:
    """The well-formed lines, in order; others are skipped, as libc does."""
    for fields in _fields(data, 7):
        if fields[2].isdecimal() and fields[3].isdecimal():
            yield Account(fields[0], int(fields[2]), int(fields[3]), fields[5])


def parse_group(data: bytes) -> Iterator[Group]:
    for fields in _fields(data, 4):
        if fields[2].isdecimal():
            members = tuple(name for name in fields[3].split(",") if name)
            yield Group(fields[0], int(fields[2]), members)


def _fields(data: bytes, count: int) -> Iterator[list[str]]:
    for line in data.decode(errors="surrogateescape").split("\n"):
        fields = line.strip().split(":")
        if len(fields) >= count and not line.startswith("#"):
            yield fields


def resolve(
    username: str, group_add: Sequence[str], accounts: Sequence[Account], groups: Sequence[Group]
) -> Identity:
    """The identity for `user` (`name`, `1000`, `name:group` ...) and `group_add`. Pure.

    Raises RuntimeFault for a name that is not there and for a number out of range.
    """
    user_text, _, group_text = username.partition(":")
    account = _find_account(user_text or "0", accounts)
    if group_text:
        gid, supplementary = _find_gid(group_text, groups), []
    else:
        gid = account.gid
        supplementary = [group.gid for group in groups if account.name in group.members]
    supplementary += [_find_gid(text, groups) for text in group_add]
    # V13: without the primary group in the list a negative group ACL can be walked around
    return Identity(account.uid, gid, tuple(dict.fromkeys([gid, *supplementary])), account.home)


def find_home(uid: int, accounts: Sequence[Account]) -> str:
    return next((account.home for account in accounts if account.uid == uid), "") or "/"


def _find_account(text: str, accounts: Sequence[Account]) -> Account:
    if text.isdecimal():
        uid = _number(text)
        found = (account for account in accounts if account.uid == uid)
        # The empty name is a member of no group
        return next(found, Account("", uid, 0, "/"))
    for account in accounts:
        if account.name == text:
            return account
    raise RuntimeFault(
        f"unable to find user {text}: no matching entries in passwd file",
        tried="reading /etc/passwd of the container",
        hint="name a user of the image, or give a number",
    )


def _find_gid(text: str, groups: Sequence[Group]) -> int:
    if text.isdecimal():
        return _number(text)
    for group in groups:
        if group.name == text:
            return group.gid
    raise RuntimeFault(
        f"unable to find group {text}: no matching entries in group file",
        tried="reading /etc/group of the container",
        hint="name a group of the image, or give a number",
    )


def _number(text: str) -> int:
    if len(text) > 10 or int(text) > MAX_ID:
        raise RuntimeFault(f"uids and gids must be in range 0-{MAX_ID}, not {text}")
    return int(text)


def read_accounts(root: int) -> tuple[Account, ...]:
    return tuple(parse_passwd(read_bounded(root, "etc/passwd")))


def read_groups(root: int) -> tuple[Group, ...]:
    return tuple(parse_group(read_bounded(root, "etc/group")))


def read_bounded(root: int, path: str) -> bytes:
    """The content of a regular file in the root; b"" when there is none. Never waits, never reads
    without end."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
    try:
        # Looked at before it is opened for reading: opening a device or FIFO can have effects
        place = openat.open_in_root(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise _refused(path, describe_errno(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise _refused(path, "not a regular file")
        descriptor = openat.open_in_root(root, path, flags)
    finally:
        os.close(place)
    try:
        return _read_regular(descriptor, path)
    finally:
        os.close(descriptor)


def _read_regular(descriptor: int, path: str) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _refused(path, "not a regular file")
    if status.st_size > MAX_SIZE:
        raise _refused(path, f"{status.st_size} bytes, more than {MAX_SIZE}")
    parts = []
    left = MAX_SIZE
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 16))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _refused(path: str, answered: str) -> RuntimeFault:
    return RuntimeFault(
        f"/{path} of the container cannot be read: {answered}",
        tried=f"reading /{path} of the container",
        answered=answered,
        hint="the image has to hold an ordinary file there, or none",
    )
