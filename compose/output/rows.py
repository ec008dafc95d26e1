"""A record as the fields that people ask for in `--format`: `{{.Name}}`, `{{.Status}}`, `{{json
.}}`. Pure.

Names and types of the fields are Docker's, since scripts read them; so they are written as there,
in capitals.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from compose.output import humanise
from compose.output.columns import shorten
from compose.output.go_values import quote
from compose.output.ports import Port, ports_of, show_ports
from runtime.values import ContainerRecord, Mount, NetworkRecord, VolumeRecord

_ID_WIDTH = 12


class Row:
    """`headers` names the columns of a table; its keys are the fields of `{{json .}}` that stand in
    a table."""

    headers: ClassVar[dict[str, str]] = {}
    fields: ClassVar[tuple[str, ...]] = ()

    def as_json(self) -> dict[str, Any]:
        return {name: _plain(getattr(self, name)) for name in self.fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Port):
        return value.as_json()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def short_id(id: str) -> str:
    return id.removeprefix("sha256:")[:_ID_WIDTH]


class ContainerRow(Row):
    """A container in `ps`."""

    headers: ClassVar[dict[str, str]] = {
        "ID": "CONTAINER ID",
        "Name": "NAME",
        "Names": "NAMES",
        "Project": "PROJECT",
        "Service": "SERVICE",
        "Image": "IMAGE",
        "Command": "COMMAND",
        "CreatedAt": "CREATED AT",
        "RunningFor": "CREATED",
        "Ports": "PORTS",
        "State": "STATE",
        "Status": "STATUS",
        "Size": "SIZE",
        "Labels": "LABELS",
        "Mounts": "MOUNTS",
        "LocalVolumes": "LOCAL VOLUMES",
        "Networks": "NETWORKS",
        "Engine": "ENGINE",
        "ExitCode": "EXIT CODE",
        "Health": "HEALTH",
        "Publishers": "PUBLISHERS",
    }
    fields: ClassVar[tuple[str, ...]] = tuple(sorted(headers))

    def __init__(self, record: ContainerRecord, now: float, *, truncate: bool = True) -> None:
        self.record = record
        self.now = now
        self.truncate = truncate

    @property
    def ID(self) -> str:
        return short_id(self.record.id) if self.truncate else self.record.id

    @property
    def Name(self) -> str:
        return self.record.name

    Names = Name

    @property
    def Project(self) -> str:
        return self.record.options.project

    @property
    def Service(self) -> str:
        return self.record.options.service

    @property
    def Image(self) -> str:
        return self.record.options.image

    @property
    def Command(self) -> str:
        text = " ".join(_argument(word) for word in command_of(self.record))
        return quote(shorten(text, 20) if self.truncate else text)

    @property
    def CreatedAt(self) -> str:
        return humanise.go_time(self.record.created_at)

    @property
    def RunningFor(self) -> str:
        return humanise.ago(self.record.created_at, self.now)

    @property
    def State(self) -> str:
        return self.record.state.status

    @property
    def Status(self) -> str:
        return humanise.status(self.record.state, self.now)

    @property
    def ExitCode(self) -> int:
        return self.record.state.exit_code

    @property
    def Health(self) -> str:
        return self.record.state.health if self.record.is_running else ""

    @functools.cached_property
    def Publishers(self) -> tuple[Port, ...]:
        return ports_of(self.record)

    @property
    def Ports(self) -> str:
        return show_ports(self.Publishers)

    @property
    def Labels(self) -> str:
        return ",".join(f"{key}={value}" for key, value in labels_of(self.record).items())

    def Label(self, name: str) -> str:
        return labels_of(self.record).get(name, "")

    @property
    def Engine(self) -> str:
        return self.Label("com.docker.compose.engine")

    @property
    def Mounts(self) -> str:
        names = [_mount_name(mount, self.record) for mount in self.record.options.mounts]
        return ",".join(shorten(name, 15) if self.truncate else name for name in names if name)

    @property
    def LocalVolumes(self) -> str:
        return str(sum(mount.type == "volume" for mount in self.record.options.mounts))

    @property
    def Networks(self) -> str:
        return ",".join(endpoint.network for endpoint in self.record.options.endpoints)

    @property
    def Size(self) -> str:
        return "0B"


def labels_of(record: ContainerRecord) -> dict[str, str]:
    """The image's with the container's own over them. V34: of the image none that means something
    to the engine."""
    of_image = {
        key: value
        for key, value in record.image.labels.items()
        if not key.startswith("com.docker.compose.")
    }
    return {**of_image, **record.options.labels}


def command_of(record: ContainerRecord) -> tuple[str, ...]:
    """What runs as PID 1: an entrypoint of its own drops the image's command."""
    options, image = record.options, record.image
    entrypoint = image.entrypoint if options.entrypoint is None else options.entrypoint
    if options.command is not None:
        return (*entrypoint, *options.command)
    return (*entrypoint, *(image.command if options.entrypoint is None else ()))


def _argument(word: str) -> str:
    return f"'{word}'" if " " in word else word


def _mount_name(mount: Mount, record: ContainerRecord) -> str:
    if mount.type == "volume":
        return mount.source or record.anonymous_volumes.get(mount.target, "")
    return mount.source


class VolumeRow(Row):
    """A volume in `volumes` and `volume ls`."""

    headers: ClassVar[dict[str, str]] = {
        "Driver": "DRIVER",
        "Name": "VOLUME NAME",
        "Labels": "LABELS",
        "Mountpoint": "MOUNTPOINT",
        "Scope": "SCOPE",
        "Availability": "AVAILABILITY",
        "Group": "GROUP",
        "Links": "LINKS",
        "Size": "SIZE",
        "Status": "STATUS",
    }
    fields: ClassVar[tuple[str, ...]] = tuple(sorted(headers))
    Scope = "local"
    Availability = Group = Status = "N/A"
    """Of clusters; Docker's scripts meet them here, too."""
    Links: str = "N/A"
    Size: str = "N/A"
    """`system df` knows both."""

    def __init__(self, record: VolumeRecord) -> None:
        self.record = record

    @property
    def Driver(self) -> str:
        return self.record.options.driver

    @property
    def Name(self) -> str:
        return self.record.name

    @property
    def Mountpoint(self) -> str:
        return self.record.path

    @property
    def Labels(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.record.options.labels.items())

    def Label(self, name: str) -> str:
        return self.record.options.labels.get(name, "")


class NetworkRow(Row):
    """A network in `network ls`."""

    headers: ClassVar[dict[str, str]] = {
        "ID": "NETWORK ID",
        "Name": "NAME",
        "Driver": "DRIVER",
        "Scope": "SCOPE",
        "Subnet": "SUBNET",
        "CreatedAt": "CREATED AT",
        "Internal": "INTERNAL",
        "IPv4": "IPV4",
        "IPv6": "IPV6",
        "Labels": "LABELS",
    }
    fields: ClassVar[tuple[str, ...]] = tuple(sorted(headers))
    Scope = "local"

    def __init__(self, record: NetworkRecord, *, truncate: bool = True) -> None:
        self.record = record
        self.truncate = truncate

    @property
    def ID(self) -> str:
        return short_id(self.record.id) if self.truncate else self.record.id

    @property
    def Name(self) -> str:
        return self.record.name

    @property
    def Driver(self) -> str:
        return self.record.options.driver

    @property
    def Subnet(self) -> str:
        return self.record.subnet

    @property
    def CreatedAt(self) -> str:
        return humanise.go_time(self.record.created_at)

    @property
    def Internal(self) -> str:
        return "true" if self.record.options.internal else "false"

    @property
    def IPv4(self) -> str:
        return "true" if self.record.options.enable_ipv4 else "false"

    @property
    def IPv6(self) -> str:
        return "true" if self.record.options.enable_ipv6 else "false"

    @property
    def Labels(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.record.options.labels.items())

    def Label(self, name: str) -> str:
        return self.record.options.labels.get(name, "")
