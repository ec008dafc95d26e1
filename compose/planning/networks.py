"""Which networks to create, recreate or keep. Compares, never acts.

An existing network of the name is taken as it is when it has no hash (made by hand) or belongs to
somebody else, with a warning. A changed one is made anew after the containers on it are gone; they
are recreated with it (containers.py). Source: reference cli.md 6.4; the networks chapter of the
Compose specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compose.errors import ComposeError
from compose.model.network import Network
from compose.model.project import Project
from compose.options import CreateOptions
from compose.planning import labels
from compose.planning.actions import CreateNetwork, RemoveNetwork
from compose.planning.divergence import resource_hash
from compose.planning.observed import Observed
from compose.planning.plan import PlanBuilder, Step
from runtime.values import PREDEFINED_NETWORKS, IpamPool, NetworkOptions, NetworkRecord


def used_networks(project: Project, names: Iterable[str], wishes: CreateOptions) -> tuple[str, ...]:
    """Keys of the networks that the services need, unless all of the project are wished."""
    if wishes.all_resources:
        return tuple(project.networks)
    used = {key for name in names for key in project.services[name].networks}
    return tuple(key for key in project.networks if key in used)


def network_options(project: Project, key: str) -> NetworkOptions:
    """What the engine is asked for."""
    network = project.networks[key]
    config_hash = resource_hash(network)
    return NetworkOptions(
        name=network.name,
        project=project.name,
        key=key,
        driver=network.driver or "bridge",
        driver_opts=dict(network.driver_opts),
        internal=network.internal,
        attachable=network.attachable,
        enable_ipv4=network.enable_ipv4 is not False,
        enable_ipv6=bool(network.enable_ipv6),
        ipam=_pools(network),
        labels={**network.labels, **labels.of_network(project, key, config_hash)},
        config_hash=config_hash,
    )


def _pools(network: Network) -> tuple[IpamPool, ...]:
    if network.ipam is None:
        return ()
    return tuple(
        IpamPool(
            subnet=pool.subnet,
            gateway=pool.gateway,
            ip_range=pool.ip_range,
            aux_addresses=dict(pool.aux_addresses),
        )
        for pool in network.ipam.config
    )


def changed_networks(project: Project, keys: Iterable[str], observed: Observed) -> dict[str, str]:
    """Full name -> what changed, for the networks that have to be made anew."""
    changed: dict[str, str] = {}
    for key in keys:
        network = project.networks[key]
        record = observed.networks.get(network.name)
        if record is None or network.external or not _is_ours(project, key, record):
            continue
        wanted = network_options(project, key)
        if record.options.config_hash != wanted.config_hash:
            changed[network.name] = what_changed(record.options, wanted)
    return changed


def what_changed(before: NetworkOptions, now: NetworkOptions) -> str:
    """Names of the fields; of labels, only that they differ."""
    fields = ("driver", "driver_opts", "internal", "attachable", "enable_ipv4", "enable_ipv6")
    names = [name for name in (*fields, "ipam") if getattr(before, name) != getattr(now, name)]
    return f"{', '.join(names or ['labels'])} changed"


def _is_ours(project: Project, key: str, record: NetworkRecord) -> bool:
    options = record.options
    return options.project == project.name and options.key == key and bool(options.config_hash)


def add_networks(
    builder: PlanBuilder,
    project: Project,
    keys: Iterable[str],
    observed: Observed,
    changed: Mapping[str, str],
) -> tuple[dict[str, Step], dict[str, Step]]:
    """(creating, removing) steps by full name. The caller puts containers between the two."""
    creating: dict[str, Step] = {}
    removing: dict[str, Step] = {}
    for key in keys:
        network = project.networks[key]
        record = observed.networks.get(network.name)
        if network.external:
            _check_external(project, key, record)
        elif record is None:
            creating[network.name] = builder.add(
                CreateNetwork(options=network_options(project, key))
            )
        elif network.name in changed:
            reason = changed[network.name]
            removing[network.name] = builder.add(RemoveNetwork(name=network.name, reason=reason))
            creating[network.name] = builder.add(
                CreateNetwork(options=network_options(project, key), reason=reason),
                after=[removing[network.name]],
            )
        elif not _is_ours(project, key, record):
            builder.warnings.append(
                f"a network with name {network.name} exists but was not created for project"
                f' "{project.name}"; set `external: true` to use an existing network'
            )
    return creating, removing


def _check_external(project: Project, key: str, record: NetworkRecord | None) -> None:
    name = project.networks[key].name
    if record is None and name not in PREDEFINED_NETWORKS:
        raise ComposeError(
            f"network {name} declared as external, but could not be found",
            code="E220",
            where=project.origins.nearest(("networks", key)),
            hint=f"`pycompose network create {name}`, or remove `external`",
        )
