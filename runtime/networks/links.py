"""Kernel names of links, whose they are, and taking many away at once.

Names are `pc`, four digits of the root, four of the project, `b` or `v`, four of the thing: found
and undone without the database. The alias says in full whose a link is (DESIGN.md 5).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from hashlib import sha256

from runtime.errors import RuntimeFault
from runtime.linux import netlink, netlink_socket
from runtime.linux.netlink_socket import NetlinkError


def choose_name(
    kind: str, seed: str, *, root_hash: str, owner: str, taken: Collection[str] = ()
) -> str:
    """`kind` b (bridge) or v (veth). The same seed gives the same name while that is free."""
    for attempt in range(1 << 16):
        digest = sha256(f"{seed}/{attempt}".encode()).hexdigest()
        name = f"pc{root_hash[:4]}{owner[:4]}{kind}{digest[:4]}"
        if name not in taken:
            return name
    raise RuntimeFault("no free link name left", code="E613", hint="remove some containers")


def check_name(name: str) -> str:
    """A name that the user gave. Raises RuntimeFault where the kernel would refuse it."""
    is_fit = 0 < len(name) <= netlink.MAX_NAME and name.isascii() and name.isprintable()
    if not is_fit or name in (".", "..", "all", "default") or set(name) & set('/:% "'):
        shown = name.encode("unicode_escape").decode()
        raise RuntimeFault(f"`{shown}` cannot be the name of a network interface", code="E614")
    return name


def network_alias(network_id: str, name: str = "") -> str:
    return _alias("network", network_id, name)


def container_alias(container_id: str, name: str = "") -> str:
    return _alias("container", container_id, name)


def _alias(kind: str, owner: str, name: str) -> str:
    """Without the name: the beginning that is the same for ever, to compare with."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:100])
    return f"pycompose {kind} {owner[:12]} {shown}"


def remove(names: Collection[str]) -> None:
    """Delete these links, waiting for the kernel once and not once per link (20 ms each)."""
    if not names:
        return
    # Links are put into a group of this call alone, and the group goes as one.
    group = (1 << 16) + int.from_bytes(os.urandom(4), "big") % ((1 << 31) - (1 << 17))
    requests = [netlink.set_group(name, group) for name in names]
    with refusals("cannot delete links", tried=" ".join(names)):
        netlink.commit([*requests, netlink.delete_group(group)], step="delete links")


@contextmanager
def refusals(message: str, *, tried: str, hint: str = "") -> Iterator[None]:
    """Turn a NetlinkError inside the block into a RuntimeFault with the kernel's words."""
    try:
        yield
    except NetlinkError as error:
        raise netlink_socket.refusal(error, message, tried=tried, hint=hint) from error
