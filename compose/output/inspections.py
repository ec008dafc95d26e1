"""All that is known about a network, a volume or an image, as Docker's `inspect` shows it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from compose.errors import ComposeError
from compose.output import humanise
from runtime.values import ContainerRecord, ImageDetails, NetworkRecord, VolumeRecord


def network(record: NetworkRecord, containers: Sequence[ContainerRecord]) -> dict[str, Any]:
    """With the containers that are on it now."""
    options = record.options
    return {
        "Name": record.name,
        "Id": record.id,
        "Created": humanise.timestamp(record.created_at),
        "Scope": "local",
        "Driver": options.driver,
        "EnableIPv4": options.enable_ipv4,
        "EnableIPv6": options.enable_ipv6,
        "IPAM": {"Driver": "default", "Options": None, "Config": list(_pools(record))},
        "Internal": options.internal,
        "Attachable": options.attachable,
        "Containers": {one.id: found for one in containers if (found := _endpoint(one, record))},
        "Options": dict(options.driver_opts),
        "Labels": dict(options.labels),
    }


def _pools(record: NetworkRecord) -> list[dict[str, Any]]:
    pairs = ((record.subnet, record.gateway), (record.subnet_ipv6, record.gateway_ipv6))
    return [
        {"Subnet": subnet, **_asked_of(record, subnet), "Gateway": gateway}
        for subnet, gateway in pairs
        if subnet
    ]


def _asked_of(record: NetworkRecord, subnet: str) -> dict[str, Any]:
    """What was asked for beside the subnet itself."""
    for pool in record.options.ipam:
        if (":" in (pool.subnet or pool.ip_range or pool.gateway)) == (":" in subnet):
            asked = {"IPRange": pool.ip_range, "AuxiliaryAddresses": dict(pool.aux_addresses)}
            return {key: value for key, value in asked.items() if value}
    return {}


def _endpoint(container: ContainerRecord, record: NetworkRecord) -> dict[str, str] | None:
    for endpoint in container.state.endpoints if container.is_running else ():
        if endpoint.network == record.name:
            return {
                "Name": container.name,
                "MacAddress": endpoint.mac_address,
                "IPv4Address": _with_prefix(endpoint.ipv4_address, endpoint.prefix_length),
                "IPv6Address": endpoint.ipv6_address,
            }
    return None


def _with_prefix(address: str, length: int) -> str:
    return f"{address}/{length}" if address and length else address


def volume(record: VolumeRecord, containers: Sequence[ContainerRecord]) -> dict[str, Any]:
    """Where it lies and how it was made."""
    return {
        "CreatedAt": humanise.timestamp(record.created_at),
        "Driver": record.options.driver,
        "Labels": dict(record.options.labels),
        "Mountpoint": record.path,
        "Name": record.name,
        "Options": dict(record.options.driver_opts),
        "Scope": "local",
    }


def image(details: ImageDetails) -> dict[str, Any]:
    """What is configured stands there as the image's maker wrote it."""
    record, document = details.record, json.loads(details.document)
    found: dict[str, Any] = {
        "Id": record.id,
        "RepoTags": list(details.names),
        "RepoDigests": list(details.digests),
        "Parent": "",
        "Comment": next((step.comment for step in reversed(details.history)), ""),
        "Created": document.get("created", ""),
        "DockerVersion": document.get("docker_version", ""),
        "Author": document.get("author", ""),
        "Config": document.get("config"),
        "Architecture": record.config.architecture,
    }
    if record.config.variant:
        found["Variant"] = record.config.variant
    found |= {
        "Os": record.config.os,
        "Size": record.size,
        "GraphDriver": _driver(details.folders),
        "RootFS": {"Type": "layers", "Layers": list(details.layers)},
        "Metadata": {"LastTagTime": _tagged_at(details.tagged_at)},
    }
    if details.manifest_digest:
        found["Descriptor"] = {
            "mediaType": details.media_type,
            "digest": details.manifest_digest,
            "size": details.manifest_size,
            **({"annotations": dict(details.annotations)} if details.annotations else {}),
        }
    return found


def _tagged_at(moment: float) -> str:
    """Without a name it is the moment at which Go's time begins."""
    return humanise.timestamp(moment) if moment else "0001-01-01T00:00:00Z"


def _driver(folders: Sequence[str]) -> dict[str, Any]:
    """Lowest first in, topmost first out, as overlayfs is told."""
    data = {"UpperDir": folders[-1]} if folders else {}
    if len(folders) > 1:
        data = {"LowerDir": ":".join(reversed(folders[:-1])), **data}
    return {"Data": data, "Name": "overlay2"}


def show(found: Sequence[Mapping[str, Any]], *, format: str = "") -> list[str]:
    """One indented array, or a line for each by the template."""
    if not format:
        return [json.dumps(list(found), indent=4, ensure_ascii=False)]
    if format == "json":
        return [json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in found]
    from compose.output.templates import Template, TemplateError

    try:
        template = Template(format)
        return [template.render(one) for one in found]
    except TemplateError as error:
        raise ComposeError(str(error), code="E703") from None
