"""What of ours is on this machine (R04). A kernel test takes one before and one after and compares them.

Everything is found without the database: by the root's hash in kernel names, by the root's path, by cgroups.
`tests/test_census.py` plants one thing of each kind and reads its name here.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from ipaddress import IPv4Network, ip_address
from pathlib import Path

from runtime.linux import conntrack
from runtime.paths import Paths

CGROUPS = Path("/sys/fs/cgroup")


def census(paths: Paths) -> dict[str, list[str]]:
    """Kind -> names, sorted, for one root. An empty kind is left out, so an untouched machine gives {}."""
    found = {kind: sorted(names(paths)) for kind, names in KINDS.items()}
    return {kind: names for kind, names in found.items() if names}


def processes(paths: Paths) -> Iterator[str]:
    """Keepers and supervisors of this root, and whatever is in its cgroups."""
    marker = os.fsencode(paths.run)
    members = {pid for folder in cgroup_folders(paths) for pid in _pids(folder)}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        words = command.split(b"\0")
        if entry.name in members or (b"-P" in words and any(marker in word for word in words)):
            yield f"{entry.name} {b' '.join(words).decode(errors='replace').strip()}"


def mounts(paths: Paths) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if str(paths.data) in line or str(paths.run) in line:
            yield line.split(" ")[4]


def links(paths: Paths) -> Iterator[str]:
    prefix = f"pc{paths.root_hash}"
    # not /sys/class/net: that shows the network namespace in which /sys was mounted
    return (name for _index, name in socket.if_nameindex() if name.startswith(prefix))


def network_namespaces(_paths: Paths) -> Iterator[str]:
    """Named ones that carry our prefix; unnamed ones live only in processes, which are counted."""
    folder = Path("/run/netns")
    if folder.is_dir():
        yield from (entry.name for entry in folder.iterdir() if entry.name.startswith("pycompose"))


def nft_tables(paths: Paths) -> Iterator[str]:
    run = subprocess.run(["nft", "-j", "list", "tables"], capture_output=True, text=True)
    for item in json.loads(run.stdout or '{"nftables": []}')["nftables"]:
        table = item.get("table")
        if table and table["name"].startswith(f"pycompose-{paths.root_hash}"):
            yield f"{table['family']} {table['name']}"


def cgroups(paths: Paths) -> Iterator[str]:
    return (str(folder.relative_to(CGROUPS)) for folder in cgroup_folders(paths))


def cgroup_folders(paths: Paths) -> Iterator[Path]:
    """Ours by name, also below a `cgroup_parent`, and a folder that was made for one and has nothing in it."""
    name = f"pycompose-{paths.root_hash}"
    # os.walk leaves out what goes away under it: the engine may just be ending
    for folder, folders, _files in os.walk(CGROUPS):
        if name in folder.split("/") or (not folders and _is_made_for_a_parent(folder)):
            yield Path(folder)


def _is_made_for_a_parent(folder: str) -> bool:
    try:
        return bool(os.stat(folder).st_mode & stat.S_ISVTX) and not os.path.ismount(folder)
    except FileNotFoundError:
        return False


def sockets(paths: Paths) -> Iterator[str]:
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        path = line.split(" ")[-1]
        if str(paths.run) in path or path.startswith("@pycompose"):
            yield path


def files(paths: Paths) -> Iterator[str]:
    """Everything below the two roots but the database, the folders that `up` leaves for the next one, and caches."""
    kept = {
        paths.data / name
        for name in ("state.db", "state.db-wal", "state.db-shm", "images", "cache", "reserve")
    }
    for root in (paths.data, paths.run):
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if Path(folder, name) not in kept]
            inside = Path(folder)
            for name in names:
                if inside / name not in kept:
                    yield str(inside / name)
            if not folders and not names and inside not in (root, *_skeleton(paths)):
                yield f"{inside}/"


def loop_devices(paths: Paths) -> Iterator[str]:
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        if str(paths.data) in backing.read_text():
            yield backing.parts[3]


def connections(paths: Paths) -> Iterator[str]:
    """Tracked ones that a rule for a published port sent elsewhere: to another address than was asked for.

    They bear no root's name. One that leads to a bridge of somebody else's, which is there, is his.
    """
    foreign = _subnets_of_others(paths)
    entries = conntrack.list_entries()
    foreign |= _subnets_of_others(paths)
    for entry in entries:
        target = ip_address(entry.reply_source)
        if entry.destination != entry.reply_source and not any(target in one for one in foreign):
            yield f"{entry.source} -> {entry.destination}:{entry.destination_port} -> {entry.reply_source}"


def _subnets_of_others(paths: Paths) -> set[IPv4Network]:
    """Of bridges that another root, or another engine, has now."""
    found = set()
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        name, destination, _gateway, *_rest, mask, _mtu, _window, _rtt = line.split()
        is_other = name.startswith("pc") and not name.startswith(f"pc{paths.root_hash}")
        if is_other or name.startswith(("docker", "br-")):
            start, bits = (ip_address(bytes.fromhex(one)[::-1]) for one in (destination, mask))
            found.add(IPv4Network(f"{start}/{bits}"))
    return found


def rows(paths: Paths) -> Iterator[str]:
    """What the database says exists: projects, containers, networks, leases of addresses, volumes."""
    if not paths.database.exists():
        return
    with closing(sqlite3.connect(f"file:{paths.database}?mode=ro", uri=True)) as connection:
        for table in ("project", "container", "network", "endpoint", "volume", "volume_use"):
            for row in connection.execute(f"SELECT * FROM {table}"):
                yield f"{table} {row[0]} {row[1]}"


def _skeleton(paths: Paths) -> tuple[Path, ...]:
    return (paths.volumes, paths.containers, paths.projects, paths.images)


def _pids(folder: Path) -> list[str]:
    try:
        return (folder / "cgroup.procs").read_text().split()
    except (FileNotFoundError, OSError):
        return []


KINDS: Mapping[str, Callable[[Paths], Iterator[str]]] = {
    "process": processes,
    "mount": mounts,
    "link": links,
    "network namespace": network_namespaces,
    "nft table": nft_tables,
    "cgroup": cgroups,
    "socket": sockets,
    "file": files,
    "loop device": loop_devices,
    "connection": connections,
    "row": rows,
}
