"""The attributes of a service, one line each, in alphabetical order as the specification lists them.

Read attribute.py first. What an attribute means stands in schemas/compose-spec.json, and its rules in the
topic that its functions come from. `on_change="nothing"`: no reason to make a container anew.
"""

# ruff: noqa: E501  (one line for each attribute, however long)
from __future__ import annotations

from collections.abc import Mapping

from compose.model.attachments import Hosts, ServiceNetwork, addresses
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.build import Build, build_form, merged_build
from compose.model.deploy import Deploy
from compose.model.develop import Develop
from compose.model.lifecycle import (
    Dependency,
    Healthcheck,
    Hook,
    StartHook,
    dependency_map,
    merged_dependencies,
)
from compose.model.models import ServiceModel
from compose.model.mounts import (
    FileReference,
    Mount,
    SecretReference,
    config_key,
    long_mounts,
    long_references,
    mount_key,
    secret_key,
)
from compose.model.ports import Port, check_port, long_ports, port_key
from compose.model.process import (
    EnvFile,
    Logging,
    Provider,
    env_file_forms,
    env_file_key,
    merged_logging,
)
from compose.model.resources import (
    BlkioConfig,
    Device,
    DeviceRequest,
    Ulimit,
    all_gpus,
    check_request,
    device_key,
    long_devices,
    merged_ulimits,
)
from compose.model.security import CredentialSpec
from compose.model.shapes import (
    Command,
    ComposePath,
    HostPath,
    as_lists,
    as_name_maps,
    as_set,
    as_text,
    before_equals,
    names_to_mapping,
    one_or_many,
    replaced,
)
from compose.model.units import Bytes, Seconds

NO_ATTACHMENT = ServiceNetwork()


@attributes
class Extends:
    """Another service to start from; in `file`, or in the same one."""

    service: str = attribute()
    file: ComposePath = ""


# fmt: off
@attributes
class Service:
    """One service in canonical form. None or empty: the file says nothing, the image's or engine's default holds."""

    name: str = attribute(written=False)
    annotations: Mapping[str, str] = attribute(default=EMPTY, merge=as_lists, identity=before_equals)
    attach: bool | None = None
    blkio_config: BlkioConfig | None = attribute(default=None, of=BlkioConfig)
    build: Build | None = attribute(default=None, of=Build, canonical=build_form, merge=merged_build, on_change="nothing")
    cap_add: tuple[str, ...] = attribute(default=(), identity=before_equals)
    cap_drop: tuple[str, ...] = attribute(default=(), identity=before_equals)
    cgroup: str = ""
    cgroup_parent: str = ""
    command: Command = attribute(default=None, merge=replaced)
    configs: tuple[FileReference, ...] = attribute(default=(), of=FileReference, canonical=long_references, identity=config_key)
    container_name: str = ""
    cpu_count: int | None = None
    cpu_percent: float | None = None
    cpu_period: int | None = None
    cpu_quota: int | None = None
    cpu_rt_period: int | None = None
    cpu_rt_runtime: int | None = None
    cpu_shares: int | None = None
    cpus: float | None = None
    cpuset: str = ""
    credential_spec: CredentialSpec | None = attribute(default=None, of=CredentialSpec)
    depends_on: Mapping[str, Dependency] = attribute(default=EMPTY, of=Dependency, canonical=dependency_map, merge=merged_dependencies, on_change="nothing")
    deploy: Deploy | None = attribute(default=None, of=Deploy)
    develop: Develop | None = attribute(default=None, of=Develop)
    device_cgroup_rules: tuple[str, ...] = ()
    devices: tuple[Device, ...] = attribute(default=(), of=Device, canonical=long_devices, identity=device_key)
    dns: tuple[str, ...] = attribute(default=(), canonical=addresses, merge=as_lists, identity=before_equals)
    dns_opt: tuple[str, ...] = attribute(default=(), merge=as_lists, identity=before_equals)
    dns_search: tuple[str, ...] = attribute(default=(), merge=as_lists, identity=before_equals)
    domainname: str = ""
    entrypoint: Command = attribute(default=None, merge=replaced)
    env_file: tuple[EnvFile, ...] = attribute(default=(), of=EnvFile, canonical=env_file_forms, merge=as_lists, identity=env_file_key)
    environment: Mapping[str, str | None] = attribute(default=EMPTY, merge=as_lists, identity=before_equals)
    expose: tuple[str, ...] = attribute(default=(), identity=as_text)
    extends: Extends | None = attribute(default=None, of=Extends)
    external_links: tuple[str, ...] = ()
    extra_hosts: Hosts = attribute(default=EMPTY, merge=as_set)
    gpus: tuple[DeviceRequest, ...] = attribute(default=(), of=DeviceRequest, canonical=all_gpus, check=check_request)
    group_add: tuple[str, ...] = ()
    healthcheck: Healthcheck | None = attribute(default=None, of=Healthcheck)
    hostname: str = ""
    image: str = ""
    init: bool | None = None
    ipc: str = ""
    isolation: str = ""
    label_file: tuple[HostPath, ...] = attribute(default=(), canonical=one_or_many, merge=as_lists)
    labels: Mapping[str, str] = attribute(default=EMPTY, merge=as_lists, identity=before_equals)
    links: tuple[str, ...] = attribute(default=(), identity=before_equals)
    logging: Logging | None = attribute(default=None, of=Logging, merge=merged_logging)
    mac_address: str = ""
    mem_limit: Bytes | None = None
    mem_reservation: Bytes | None = None
    mem_swappiness: Bytes | None = None  # read and printed as a size is: Docker's habit
    memswap_limit: Bytes | None = None
    models: Mapping[str, ServiceModel | None] = attribute(default=EMPTY, of=ServiceModel, canonical=names_to_mapping, merge=as_name_maps)
    network_mode: str = ""
    networks: Mapping[str, ServiceNetwork | None] = attribute(default=EMPTY, of=ServiceNetwork, canonical=names_to_mapping, merge=as_name_maps)
    oom_kill_disable: bool = False
    oom_score_adj: int | None = None
    pid: str = ""
    pids_limit: int | None = None
    platform: str = ""
    ports: tuple[Port, ...] = attribute(default=(), of=Port, canonical=long_ports, identity=port_key, check=check_port)
    post_start: tuple[Hook, ...] = attribute(default=(), of=Hook)
    pre_start: tuple[StartHook, ...] = attribute(default=(), of=StartHook)
    pre_stop: tuple[Hook, ...] = attribute(default=(), of=Hook)
    privileged: bool = False
    profiles: tuple[str, ...] = attribute(default=(), identity=before_equals, on_change="nothing")
    provider: Provider | None = attribute(default=None, of=Provider)
    pull_policy: str = attribute(default="", on_change="nothing")
    pull_refresh_after: str = attribute(default="", on_change="nothing")
    read_only: bool = False
    restart: str = ""
    runtime: str = ""
    scale: int | None = attribute(default=None, on_change="nothing")
    secrets: tuple[SecretReference, ...] = attribute(default=(), of=SecretReference, canonical=long_references, identity=secret_key)
    security_opt: tuple[str, ...] = ()
    shm_size: Bytes | None = None
    stdin_open: bool = False
    stop_grace_period: Seconds | None = None
    stop_signal: str = ""
    storage_opt: Mapping[str, str] = EMPTY
    sysctls: Mapping[str, str] = attribute(default=EMPTY, merge=as_lists, identity=before_equals)
    tmpfs: tuple[str, ...] = attribute(default=(), merge=as_lists, identity=before_equals)
    tty: bool = False
    ulimits: Mapping[str, Ulimit] = attribute(default=EMPTY, of=Ulimit, merge=merged_ulimits)
    use_api_socket: bool = attribute(default=False, text=False)
    user: str = ""
    userns_mode: str = ""
    uts: str = ""
    volumes: tuple[Mount, ...] = attribute(default=(), of=Mount, canonical=long_mounts, identity=mount_key)
    volumes_from: tuple[str, ...] = ()
    working_dir: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)
    # fmt: on

    @property
    def attachments(self) -> Mapping[str, ServiceNetwork]:
        """`networks` with the settings of each, default ones where the file gives none."""
        return {name: given or NO_ATTACHMENT for name, given in self.networks.items()}

    @property
    def replicas(self) -> int:
        """How many containers are wanted: `scale`, else `deploy.replicas`, else one."""
        if self.scale is not None:
            return self.scale
        if self.deploy is not None and self.deploy.replicas is not None:
            return self.deploy.replicas
        return 1
