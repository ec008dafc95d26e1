"""The host ports that a service's containers will ask for. Pure."""

from __future__ import annotations

from compose.model.project import Project
from compose.model.service import Service
from compose.scheduling.container_options import published_ports
from runtime.values import PortBinding


def fixed_ports(project: Project, service: Service) -> tuple[PortBinding, ...]:
    """Those that must be this one number: no range, not any free one."""
    return tuple(
        port
        for port in published_ports(project, service)
        if port.host_port and not port.host_port_end
    )
