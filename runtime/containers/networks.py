"""A network's row, bridge and table: made, given another subnet, removed; and who is on it.

Networks of no project are removed by the command itself, since no supervisor need be there; those
of a project by its supervisor, which keeps their rules. Subnets are chosen under the lock of
host_facts.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

from runtime.errors import InUse, RuntimeFault
from runtime.networks import addresses, bridge, host_facts, published
from runtime.networks.firewall import ProjectFirewall, shared_table_name
from runtime.paths import Paths
from runtime.state import run_states
from runtime.state.database import Database
from runtime.values import MACHINE_BRIDGE, NetworkId, NetworkOptions, NetworkRecord, PublishedPort

DRIVERS = ("", "bridge", "default")


def create_network(
    database: Database, paths: Paths, options: NetworkOptions, *, project_id: str
) -> NetworkRecord:
    """A row with subnets that are free now; the bridge comes with the first container.

    Raises AlreadyExists, RuntimeFault.
    """
    if options.driver not in DRIVERS:
        raise RuntimeFault(
            f"network {options.name}: there is no network driver `{options.driver}`, only `bridge`",
            code="E635",
            hint="leave the driver out",
        )
    with host_facts.address_lock():
        return _add_row(database, paths, options, project_id=project_id)


def _add_row(
    database: Database, paths: Paths, options: NetworkOptions, *, project_id: str
) -> NetworkRecord:
    network_id = os.urandom(32).hex()
    others = database.networks()
    allocation = addresses.allocate_network(options, others, host_facts.read_host_facts())
    record = NetworkRecord(
        id=NetworkId(network_id),
        options=options,
        project_id=project_id,
        bridge=bridge.choose_bridge_name(
            network_id,
            root_hash=paths.root_hash,
            project_id=project_id,
            driver_opts=options.driver_opts,
            taken={other.bridge for other in others},
        ),
        subnet=allocation.subnet,
        gateway=allocation.gateway,
        subnet_ipv6=allocation.subnet_ipv6,
        gateway_ipv6=allocation.gateway_ipv6,
        created_at=time.time(),
    )
    database.add_network(record)
    return record


def ensure_machine_bridge(database: Database, paths: Paths) -> NetworkRecord:
    """The row of the network behind `network_mode: bridge`. Raises RuntimeFault.

    The caller holds the lock of host_facts.py until a container has an address on it, or the last
    one to leave would take it away between the two.
    """
    options = NetworkOptions(name=MACHINE_BRIDGE)
    found = database.find_network(MACHINE_BRIDGE)
    return found or _add_row(database, paths, options, project_id="")


def drop_machine_bridge(database: Database, paths: Paths) -> None:
    """Unless a container has an address on it. Repeatable."""
    found = database.find_network(MACHINE_BRIDGE)
    if found is not None and not database.endpoints(network_id=found.id):
        with suppress(InUse):
            remove_shared_network(database, paths, found)


def ensure_bridge(
    database: Database,
    record: NetworkRecord,
    *,
    on_made: Callable[[NetworkRecord], None] = lambda _: None,
) -> NetworkRecord:
    """Its bridge stands, with the subnet that it has now: another one where the machine has come to
    use the first meanwhile (another root, a VPN) and nobody asked for that. Raises RuntimeFault.

    The caller holds the lock of host_facts.py.
    """
    if not bridge.is_up(record):
        record = _with_free_subnet(database, record)
        bridge.ensure_bridge(record)
        on_made(record)
    return record


def _with_free_subnet(database: Database, record: NetworkRecord) -> NetworkRecord:
    host = host_facts.read_host_facts()
    if not addresses.has_lost_its_subnet(record, host):
        return record
    others = [other for other in database.networks() if other.id != record.id]
    allocation = addresses.allocate_network(record.options, others, host)
    return database.move_network(
        record,
        subnet=allocation.subnet,
        gateway=allocation.gateway,
        subnet_ipv6=allocation.subnet_ipv6,
        gateway_ipv6=allocation.gateway_ipv6,
    )


def delete_row(database: Database, record: NetworkRecord) -> None:
    """Raises InUse, with the names of the containers that have an address on it."""
    if database.delete_network(record.id):
        return
    users = ", ".join(
        name for row, name, _project in database.all_endpoints() if row.network_id == record.id
    )
    raise InUse(
        f"network {record.name} has active endpoints",
        code="E308",
        tried=f"remove network {record.name}",
        answered=f"used by {users}",
        hint=f"remove {users} first",
    )


def remove_shared_network(database: Database, paths: Paths, record: NetworkRecord) -> None:
    """One of no project: row, table, bridge. Raises InUse."""
    with host_facts.address_lock():
        delete_row(database, record)
        # before the bridge: rules without one would hit whoever gets the subnet next
        ProjectFirewall(shared_table_name(paths.root_hash, record.id)).remove()
        bridge.remove_bridges([record])


def find_port_owner(database: Database, paths: Paths, port: PublishedPort) -> str:
    """The container of this root that holds a port of the host, in whichever project; or nothing.
    Its socket is in a supervisor's hands, so the kernel would name that."""
    for record in database.containers():
        known = run_states.with_state(record, paths.project(record.project_id))
        if known.is_running and any(published.clash(port, held) for held in known.state.ports):
            return f"container {record.name}"
    return ""
