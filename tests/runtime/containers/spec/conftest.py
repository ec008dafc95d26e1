"""A machine that has everything, and a container on it: tests say only what differs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runtime.cgroups.hierarchy import FEATURES
from runtime.containers.spec.build import build_spec
from runtime.containers.spec.context import DeviceNode, HostFacts, SpecContext, SpecResult
from runtime.linux.capabilities import NAMES
from runtime.schemas import read_schema
from runtime.values import ContainerOptions, ImageConfig
from runtime.volumes.driver_options import VolumeSource

CONTAINER = "c0ffee" + "0" * 58
OTHER = "beef" * 16

HOST = HostFacts(
    hostname="machine",
    kernel=(6, 1),
    cgroup_version=2,
    features=frozenset(FEATURES),
    online_cpus=frozenset({0, 1}),
    known_capabilities=NAMES,
    held_capabilities=frozenset(NAMES),
    hard_limits={"nofile": 4096},
    sysctls=frozenset({"net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range"}),
)

CONTEXT = SpecContext(
    container_id=CONTAINER,
    root_path="/data/containers/c0ffee/rootfs",
    cgroups_path="/pycompose-beef/aaaa1111/c0ffee",
    host=HOST,
    defaults=read_schema("docker-defaults.json"),
    hosts_file="/data/c/files/hosts",
    resolv_file="/data/c/files/resolv.conf",
    hostname_file="/data/c/files/hostname",
    volumes={
        "p_data": VolumeSource(path="/data/volumes/p_data/1"),
        "p_ram": VolumeSource(type="tmpfs", device="tmpfs", options=("size=1m",)),
    },
    files={"/run/secrets/key": "/data/c/files/secret-0"},
    image_layers={"tools": ("/layers/t",)},
    shm_folder="/run/shm/c0ffee",
    joined_pids={OTHER: 4321},
    network_hostname="other-host",
    devices={
        "/dev/fuse": (DeviceNode(path="/dev/fuse", type="c", major=10, minor=229),),
        "/dev/snd": (
            DeviceNode(path="/dev/snd/seq", type="c", major=116, minor=1, mode=0o660, gid=29),
            DeviceNode(path="/dev/snd/timer", type="c", major=116, minor=33, mode=0o660, gid=29),
        ),
    },
    host_devices=(DeviceNode(path="/dev/sda", type="b", major=8, minor=0, mode=0o660, gid=6),),
    block_devices={"/dev/sda": (8, 0)},
    propagations={"/shared": "shared", "/slave": "slave"},
)

Build = Callable[..., SpecResult]


def build(
    *,
    image_config: dict[str, Any] | None = None,
    host: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    **options: Any,
) -> SpecResult:
    """The document of a container with these options; what is not said is as above."""
    around = replace(CONTEXT, host=replace(HOST, **(host or {})), **(context or {}))
    wanted = ContainerOptions(
        **{"project": "p", "name": "p-web-1", "command": ("serve",), **options}
    )
    return build_spec(wanted, ImageConfig(**(image_config or {})), around)


@pytest.fixture(name="build")
def build_fixture() -> Build:
    return build
