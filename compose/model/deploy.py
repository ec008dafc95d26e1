"""`deploy`: how many, with which resources, and what a cluster would do.

One machine honours replicas, resources and restart_policy; the rest is kept and printed. Source:
15.9.
"""

from __future__ import annotations

from collections.abc import Mapping

from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.resources import DeviceRequest, check_request
from compose.model.shapes import as_lists, before_equals
from compose.model.units import Bytes, Natural, Seconds


@attributes
class DiscreteResource:
    """A counted resource of a cluster's node."""

    kind: str = ""
    value: int = 0
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class GenericResource:
    """A resource that only a cluster knows."""

    discrete_resource_spec: DiscreteResource | None = attribute(default=None, of=DiscreteResource)
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class ResourceLimits:
    """The most that a container may use; `cpus` as text, as it was written."""

    cpus: CpuText = ""
    memory: Bytes | None = None
    pids: int | None = None
    extensions: Extensions = attribute(default=EMPTY, written=False)


CpuText = str
"""A number of CPUs as text."""


@attributes
class ResourceReservations:
    """What must be there for a container."""

    cpus: CpuText = ""
    memory: Bytes | None = None
    generic_resources: tuple[GenericResource, ...] = attribute(default=(), of=GenericResource)
    devices: tuple[DeviceRequest, ...] = attribute(
        default=(), of=DeviceRequest, check=check_request
    )
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class Resources:
    """Limits and reservations."""

    limits: ResourceLimits | None = attribute(default=None, of=ResourceLimits)
    reservations: ResourceReservations | None = attribute(default=None, of=ResourceReservations)
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class UpdateConfig:
    """How a cluster replaces containers."""

    parallelism: Natural | None = None
    delay: Seconds | None = None
    failure_action: str = ""
    monitor: Seconds | None = None
    max_failure_ratio: float | None = None
    order: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class RestartPolicy:
    """When an ended container is started again: `condition` none, on-failure or any; wins over
    `restart`."""

    condition: str = ""
    delay: Seconds | None = None
    max_attempts: Natural | None = None
    window: Seconds | None = None
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class PlacementPreference:
    """A rule by which a cluster spreads containers."""

    spread: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class Placement:
    """On which nodes a cluster puts containers."""

    constraints: tuple[str, ...] = ()
    preferences: tuple[PlacementPreference, ...] = attribute(default=(), of=PlacementPreference)
    max_replicas_per_node: Natural | None = None
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class Deploy:
    """The whole of `deploy`; `replicas` must agree with the service's `scale`."""

    mode: str = ""
    replicas: int | None = attribute(default=None, on_change="nothing")
    labels: Mapping[str, str] = attribute(default=EMPTY, merge=as_lists, identity=before_equals)
    update_config: UpdateConfig | None = attribute(default=None, of=UpdateConfig)
    rollback_config: UpdateConfig | None = attribute(default=None, of=UpdateConfig)
    resources: Resources | None = attribute(default=None, of=Resources)
    restart_policy: RestartPolicy | None = attribute(default=None, of=RestartPolicy)
    placement: Placement | None = attribute(default=None, of=Placement)
    endpoint_mode: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)
