"""The plain data that crosses the engine's door: what to create, what exists, what happened.

Standard library only, frozen, no behaviour beyond small questions. `compose/` builds the options
and reads the records; `runtime/` does the reverse. Every class survives `codec.encode`/`decode`, as
rows and messages need it. Sizes are bytes, times are seconds; wall clock times are seconds since
the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NewType

from runtime.frozen import dataclass, field

ContainerId = NewType("ContainerId", str)
"""64 hex digits."""
NetworkId = NewType("NetworkId", str)
ProjectId = NewType("ProjectId", str)
"""Eight hex digits, given once; keys and kernel names use it."""
Seconds = NewType("Seconds", float)
Bytes = NewType("Bytes", int)


# --- projects


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRecord:
    """A project as the database knows it."""

    id: ProjectId
    name: str
    folder: str
    files: tuple[str, ...] = ()
    created_at: float = 0.0


# --- containers: what is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mount in a container.

    `type` is bind, volume, tmpfs or image. `source` is an absolute host path (bind), a volume's
    full name (volume; empty: anonymous, the engine makes one and records it), an image reference
    (image).
    """

    type: str
    target: str
    source: str = ""
    read_only: bool = False
    propagation: str = ""
    """bind: [r]private, [r]shared, [r]slave; empty is rprivate."""
    recursive: str = ""
    """bind: enabled, disabled, writable, readonly; empty is enabled, and read-only mounts
    recursively so."""
    create_host_path: bool = False
    host_owner: tuple[int, int] | None = None
    """uid and gid that get the folders made for it; None: the engine's."""
    nocopy: bool = False
    subpath: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    """tmpfs."""
    image_id: str = ""
    """image: what the reference meant when the container was made; the engine fills it in."""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    options: tuple[str, ...] = ()
    """tmpfs: further words as given (noexec, exec, nosuid, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMount:
    """A secret or config: one read-only file. Exactly one of `source` (host path) and `content` is
    given."""

    target: str
    source: str = ""
    content: str | None = None
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    kind: str = "secret"
    """secret or config, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortBinding:
    """One container port, published. `host_port` 0: the engine picks one; `host_port_end`: picks
    from the range."""

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    """Empty: all addresses, IPv4 and IPv6."""
    host_port: int = 0
    host_port_end: int = 0
    origin: str = ""
    """`compose.yaml:12:7`, for the error about a taken port."""


MACHINE_BRIDGE = "bridge"
"""The network behind `network_mode: bridge`: of no project, without names, there from the first
start of a container on it until the last one is removed."""

PREDEFINED_NETWORKS = (MACHINE_BRIDGE, "host", "none")
"""Names that nobody's network can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How a container takes part in a network (full name)."""

    network: str
    aliases: tuple[str, ...] = ()
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    mac_address: str = ""
    interface_name: str = ""
    priority: int = 0
    gw_priority: int = 0
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    """alias -> service name or container name, known to this container alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions:
    """None in a field: the image's value, else Docker's default (D62). `test` [] or ["NONE"]: no
    probe."""

    test: tuple[str, ...] | None = None
    interval: float | None = None
    timeout: float | None = None
    retries: int | None = None
    start_period: float | None = None
    start_interval: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """`name` is no, always, on-failure or unless-stopped. `max_retries` 0: no limit. `delay`:
    deploy's, else D60."""

    name: str = "no"
    max_retries: int = 0
    delay: float | None = None
    window: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """`driver` native (ours, the default), json-file, local or none; `options` as Docker names
    them."""

    driver: str = "native"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit:
    name: str
    soft: int
    hard: int
    """-1 is unlimited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    source: str
    target: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightDevice:
    path: str
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleDevice:
    path: str
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlkioOptions:
    weight: int | None = None
    weight_device: tuple[WeightDevice, ...] = ()
    device_read_bps: tuple[ThrottleDevice, ...] = ()
    device_read_iops: tuple[ThrottleDevice, ...] = ()
    device_write_bps: tuple[ThrottleDevice, ...] = ()
    device_write_iops: tuple[ThrottleDevice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """Everything that a container is made from, in Compose's words; what the image says comes in
    below it.

    None means "not said": the image's value or Docker's default holds. Namespace attributes are
    `host`, `private`, `shareable`, `none` or `container:ID` (the caller has turned `service:NAME`
    into an id).
    """

    # identity
    project: str
    name: str
    service: str = ""
    number: int = 0
    """0: one-off or hook container."""
    oneoff: bool = False
    image: str = "host"
    platform: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    config_hash: str = ""
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    """What the caller goes by to name a change later (attribute -> digest); opaque here."""

    # process
    command: tuple[str, ...] | None = None
    """None: the image's; () clears it."""
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    """None as value removes the image's variable."""
    user: str = ""
    group_add: tuple[str, ...] = ()
    working_dir: str = ""
    hostname: str = ""
    domainname: str = ""
    tty: bool = False
    stdin_open: bool = False
    init: bool | None = None
    stop_signal: str = ""
    stop_grace_period: float | None = None
    umask: int | None = None

    # files
    read_only: bool = False
    mounts: tuple[Mount, ...] = ()
    files: tuple[FileMount, ...] = ()
    volumes_from: tuple[str, ...] = ()
    """CONTAINER_ID or CONTAINER_ID:ro."""
    inherit_anonymous: str = ""
    """Container whose anonymous volumes are taken over when this one replaces it."""
    shm_size: int | None = None
    storage_opt: Mapping[str, str] = field(default_factory=dict)
    volatile: bool = False
    """The upper need not survive a power cut: one-off containers with --rm."""
    auto_remove: bool = False
    """It is removed as soon as it has ended, whoever is there to see it."""

    # network
    network_mode: str = ""
    """Empty: the endpoints below, of which MACHINE_BRIDGE is the only one where it is one; else
    none, host, container:ID."""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[PortBinding, ...] = ()
    expose: tuple[str, ...] = ()
    """`80/tcp`."""
    extra_hosts: tuple[tuple[str, str], ...] = ()
    """(name, address or `host-gateway`)."""
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    mac_address: str = ""

    # isolation
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    pid: str = ""
    ipc: str = ""
    uts: str = ""
    cgroup: str = ""
    cgroup_parent: str = ""
    userns_mode: str = ""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ulimits: tuple[Ulimit, ...] = ()
    devices: tuple[Device, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()

    # resources
    cpus: float | None = None
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpu_rt_period: int | None = None
    cpu_rt_runtime: int | None = None
    cpuset: str = ""
    mem_limit: int | None = None
    mem_reservation: int | None = None
    memswap_limit: int | None = None
    mem_swappiness: int | None = None
    oom_kill_disable: bool = False
    oom_score_adj: int | None = None
    pids_limit: int | None = None
    blkio: BlkioOptions | None = None

    # staying up
    restart: RestartPolicy = RestartPolicy()
    healthcheck: HealthOptions | None = None
    logging: LogOptions = LogOptions()

    @property
    def is_on_machine_bridge(self) -> bool:
        return any(endpoint.network == MACHINE_BRIDGE for endpoint in self.endpoints)

    @property
    def has_resolver(self) -> bool:
        """On networks of projects names mean containers; elsewhere what they mean to the host."""
        return bool(self.endpoints) and not self.network_mode and not self.is_on_machine_bridge

    @property
    def joined_containers(self) -> tuple[str, ...]:
        """Ids of those whose namespaces it shares."""
        modes = (mode.partition(":") for mode in (self.network_mode, self.pid, self.ipc, self.uts))
        return tuple(dict.fromkeys(owner for kind, _, owner in modes if kind == "container"))


# --- containers: what exists


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an image says about its containers; the OCI image config in our words."""

    id: str = ""
    """`sha256:...` of the config; of `host` and `dir:` a digest of what identifies them."""
    reference: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    """KEY=VALUE, in order."""
    user: str = ""
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()
    """`80/tcp`."""
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    healthcheck: HealthOptions | None = None
    shell: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    architecture: str = ""
    os: str = "linux"
    variant: str = ""
    size: int = 0
    created: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    """One published port as it is."""

    container_port: int
    protocol: str
    host_ip: str
    """`0.0.0.0`, `::` or an address."""
    host_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    network: str
    ipv4_address: str = ""
    ipv6_address: str = ""
    prefix_length: int = 0
    gateway: str = ""
    """Only of the endpoint that has the default route."""
    gateway_ipv6: str = ""
    mac_address: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    started_at: float
    ended_at: float
    exit_code: int
    """-1: timed out."""
    output: str


COMES_BACK = "comes back"
"""The action of an event of ours: the container is about to be stopped, and it, or what takes its
place, will be started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """How a container is doing; kept in the run root, so a reboot forgets it."""

    status: str = "created"
    """created, running, paused, restarting, removing, exited, dead."""
    generation: int = 0
    """Counts the starts; an exit record carries the same number."""
    pid: int = 0
    start_time: int = 0
    """Field 22 of /proc/PID/stat: with the pid it names a process for ever."""
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    """Why it could not be started, or how it was lost."""
    health: str = ""
    """"" (no probe), starting, healthy, unhealthy."""
    probes: tuple[ProbeResult, ...] = ()
    failing_streak: int = 0
    restart_count: int = 0
    ports: tuple[PublishedPort, ...] = ()
    endpoints: tuple[EndpointState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRecord:
    """A container as it is: what it was made from, and its state."""

    id: ContainerId
    project_id: ProjectId
    options: ContainerOptions
    image_id: str = ""
    created_at: float = 0.0
    desired: str = "created"
    """created, running, stopped (by hand): what restart policies and `boot` go by."""
    anonymous_volumes: Mapping[str, str] = field(default_factory=dict)
    """target -> volume name."""
    image: ImageConfig = ImageConfig()
    log_path: str = ""
    state: RunState = RunState()

    @property
    def name(self) -> str:
        return self.options.name

    @property
    def is_running(self) -> bool:
        return self.state.status in ("running", "paused")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """One process of a container, for `top`; pids are the host's."""

    pid: int
    parent: int
    user: str
    started_at: float
    cpu_seconds: float
    terminal: str
    command: str


# --- networks, volumes, images


@dataclass(frozen=True, slots=True, kw_only=True)
class IpamPool:
    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    aux_addresses: Mapping[str, str] = field(default_factory=dict)


HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
"""Key of a network's `driver_opts`: the host's address for ports that name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    name: str
    project: str = ""
    """Empty: made by `network create`, belongs to no project."""
    key: str = ""
    driver: str = "bridge"
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    attachable: bool = False
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    ipam: tuple[IpamPool, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    config_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRecord:
    id: NetworkId
    options: NetworkOptions
    project_id: str = ""
    bridge: str = ""
    """Kernel name of the link."""
    subnet: str = ""
    gateway: str = ""
    subnet_ipv6: str = ""
    gateway_ipv6: str = ""
    created_at: float = 0.0

    @property
    def name(self) -> str:
        return self.options.name


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeOptions:
    name: str
    project: str = ""
    key: str = ""
    driver: str = "local"
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    config_hash: str = ""
    anonymous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRecord:
    options: VolumeOptions
    project_id: str = ""
    path: str = ""
    """Folder of the current generation."""
    created_at: float = 0.0

    @property
    def name(self) -> str:
        return self.options.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """A named image in the store."""

    id: str
    name: str
    """Familiar form with tag: `nginx:1.27`; empty when untagged."""
    digest: str = ""
    size: int = 0
    created_at: float = 0.0
    config: ImageConfig = ImageConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One step of an image's making. `size` is that of its layer, 0 for a step without one."""

    created_at: float = 0.0
    created_by: str = ""
    comment: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDetails:
    """All that is known about an image."""

    record: ImageRecord
    names: tuple[str, ...] = ()
    """Familiar, with tags."""
    digests: tuple[str, ...] = ()
    """`nginx@sha256:...`: how registries know it."""
    media_type: str = ""
    manifest_digest: str = ""
    manifest_size: int = 0
    layers: tuple[str, ...] = ()
    """diff IDs, lowest first."""
    folders: tuple[str, ...] = ()
    """The unpacked layers, lowest first."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Of the manifest."""
    history: tuple[HistoryLine, ...] = ()
    """Oldest first."""
    document: str = "{}"
    """The image config as it came: JSON."""
    tagged_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedImage:
    """An image out of an archive; `names` are those that it has there."""

    id: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, as lines of `docker image rm`, and the bytes that came free."""

    lines: tuple[str, ...] = ()
    reclaimed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUsage:
    """What an image takes on the disk. `unique` bytes are of layers that no other image has."""

    record: ImageRecord
    shared: int = 0
    unique: int = 0
    containers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUsage:
    """What lies below the root, in bytes. `images` one an image; `containers` and `volumes` one by
    one, by id and name."""

    images: tuple[ImageUsage, ...] = ()
    layers: int = 0
    """All unpacked layers together."""
    blobs: int = 0
    """The layers as they came, manifests and configs."""
    leftovers: int = 0
    """Of that: what no image needs any more."""
    containers: Mapping[str, int] = field(default_factory=dict)
    volumes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who we are to a registry: name and password, or a token that stands for both."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Login({self.username!r})"


# --- what happens


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to an object (D80). Never carries a value of environment, arguments,
    labels or secrets."""

    time: float
    type: str
    """container, network, volume, image."""
    action: str
    """create, start, die, oom, health_status: healthy, exec_start, ..."""
    id: str
    project_id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """name, service, image, exitCode, signal, cause, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUsage:
    """What a container takes of the machine. Times are nanoseconds and, as bytes of input and
    output, counted since its start."""

    cpu: int = 0
    machine_cpu: int = 0
    """Of all processors together, idle time too, since boot."""
    cpu_count: int = 1
    memory: int = 0
    memory_limit: int = 0
    """The machine's memory where nothing is limited."""
    pids: int = 0
    read: int = 0
    written: int = 0
    received: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of output. `text` is bytes without the newline; `time` None when no stamp was asked
    for."""

    container: ContainerId
    stream: str
    text: bytes
    time: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecOptions:
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    working_dir: str = ""
    tty: bool = False
    privileged: bool = False
    detach: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a long piece of work is, for a progress line. `total` 0: not known."""

    id: str
    text: str
    parent_id: str = ""
    current: int = 0
    total: int = 0
    done: bool = False
