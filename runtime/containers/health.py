"""Whether a container is healthy, and when it is asked next. Pure: (settings, state, event, now) ->
(state, what to do).

Leaves asking to supervisor/probes.py. `now` is monotonic seconds (R07). Source: D62 and moby's
health monitor, plus early probes: until the first success, further probes soon after the start,
with growing pauses of at least five times what the last one took. Their failures do not count, and
their success only while every declared TCP port listens where others can reach it (database images
first run a server on a socket or on loopback, to initialise themselves).
"""

from __future__ import annotations

from runtime import frozen
from runtime.frozen import dataclass
from runtime.values import ContainerOptions, HealthOptions, ImageConfig, ProbeResult

INTERVAL = 30.0
TIMEOUT = 30.0
RETRIES = 3
START_INTERVAL = 5.0
_HIGHEST_PORT = 65535
KEPT_RESULTS = 5
FIRST_EARLY_PAUSE = 0.02
EARLY_GROWTH = 2.0
EARLY_SHARE = 5.0
"""A pause is at least so many times the last probe's duration: probes take a sixth of a core at
most.
"""
TIMED_OUT = -1
NOT_ASKED = 125
"""The probe could not be begun: most likely the container was just ending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """What was said, with Docker's defaults for the rest."""

    command: tuple[str, ...]
    """To execute as it stands."""
    interval: float = INTERVAL
    timeout: float = TIMEOUT
    retries: int = RETRIES
    start_period: float = 0.0
    start_interval: float = START_INTERVAL
    early: bool = True
    """False where a start interval was given: its author has decided how often to ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthState:
    """One run of a container, from `Began` on."""

    status: str = ""
    """starting, healthy, unhealthy; empty while it does not run."""
    failing_streak: int = 0
    results: tuple[ProbeResult, ...] = ()
    began_at: float = 0.0
    regular_due: float = 0.0
    early_pause: float = FIRST_EARLY_PAUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """The container's program runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """A probe ended. `ports_listen`: every TCP port that the container declares is reachable."""

    result: ProbeResult
    early: bool = False
    ports_listen: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """It is no longer paused, or its supervisor is a new one: the next interval begins now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAt:
    """Ask at this time; it replaces an earlier one of these."""

    time: float
    early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Become:
    """Say that the status changed."""

    status: str


Event = Began | Probed | Resumed
Instruction = ProbeAt | Become


def settle(options: ContainerOptions, image: ImageConfig) -> HealthSettings | None:
    """The container's own words over the image's over Docker's defaults. None: no probes."""
    own, inherited = options.healthcheck or HealthOptions(), image.healthcheck or HealthOptions()
    test = own.test if own.test is not None else inherited.test
    command = _command(test or (), image)
    if not command:
        return None

    def either(name: str, default: float) -> float:
        # 0 means "not said", as in Docker
        return getattr(own, name) or getattr(inherited, name) or default

    return HealthSettings(
        command=command,
        interval=either("interval", INTERVAL),
        timeout=either("timeout", TIMEOUT),
        retries=int(either("retries", RETRIES)),
        start_period=either("start_period", 0.0),
        start_interval=either("start_interval", START_INTERVAL),
        early=not either("start_interval", 0.0),
    )


def _command(test: tuple[str, ...], image: ImageConfig) -> tuple[str, ...]:
    match test:
        case () | ("NONE", *_):
            return ()
        case ("CMD-SHELL", *words):
            return (*(image.shell or ("/bin/sh", "-c")), *words)
        case ("CMD", *words):
            return tuple(words)
        case _:
            return test


def advance(
    settings: HealthSettings, state: HealthState, event: Event, now: float
) -> tuple[HealthState, tuple[Instruction, ...]]:
    """The state after the event, and what follows from it."""
    match event:
        case Began():
            state = HealthState(status="starting", began_at=now)
            state = _changed(state, regular_due=now + _interval(settings, state, now))
            return state, (Become(status="starting"), _next(settings, state, now))
        case Resumed():
            state = _changed(state, regular_due=now + _interval(settings, state, now))
            return state, (_next(settings, state, now),)
        case Probed():
            return _after_probe(settings, state, event, now)


def _after_probe(
    settings: HealthSettings, state: HealthState, event: Probed, now: float
) -> tuple[HealthState, tuple[Instruction, ...]]:
    before = state.status
    if _counts(settings, state, event):
        state = _judged(settings, state, event, now)
    elif event.result.exit_code not in (0, NOT_ASKED):
        state = _noted(state, event.result)
    if event.early:
        state = _changed(state, early_pause=_next_early_pause(state, event.result))
    if not event.early or state.status == "healthy":
        state = _changed(state, regular_due=now + _interval(settings, state, now))
    said = () if state.status == before else (Become(status=state.status),)
    return state, (*said, _next(settings, state, now))


def _counts(settings: HealthSettings, state: HealthState, event: Probed) -> bool:
    if event.early:
        return event.result.exit_code == 0 and event.ports_listen
    return True


def _judged(settings: HealthSettings, state: HealthState, event: Probed, now: float) -> HealthState:
    state = _noted(state, event.result)
    if event.result.exit_code == 0:
        return _changed(state, status="healthy", failing_streak=0)
    if state.status == "starting" and _in_start_period(settings, state, now):
        return state
    streak = state.failing_streak + 1
    status = "unhealthy" if streak >= settings.retries else state.status
    return _changed(state, failing_streak=streak, status=status)


def _noted(state: HealthState, result: ProbeResult) -> HealthState:
    """Also a result that does not count: whoever waits wants to see why."""
    return _changed(state, results=(*state.results, result)[-KEPT_RESULTS:])


def _next(settings: HealthSettings, state: HealthState, now: float) -> ProbeAt:
    early = now + state.early_pause
    if settings.early and state.status == "starting" and early < state.regular_due:
        return ProbeAt(time=early, early=True)
    return ProbeAt(time=max(now, state.regular_due))


def _next_early_pause(state: HealthState, result: ProbeResult) -> float:
    duration = result.ended_at - result.started_at
    return max(state.early_pause * EARLY_GROWTH, duration * EARLY_SHARE)


def _interval(settings: HealthSettings, state: HealthState, now: float) -> float:
    if state.status == "starting" and _in_start_period(settings, state, now):
        return settings.start_interval
    return settings.interval


def _in_start_period(settings: HealthSettings, state: HealthState, now: float) -> bool:
    return now - state.began_at < settings.start_period


def _changed(state: HealthState, **changes: object) -> HealthState:
    return frozen.replace(state, **changes)


def declared_tcp_ports(options: ContainerOptions, image: ImageConfig) -> frozenset[int]:
    """What image, `expose` and `ports` say that the container listens on."""
    ports = {port.container_port for port in options.ports if port.protocol == "tcp"}
    for text in (*image.exposed_ports, *options.expose):
        ports.update(_tcp_ports(text))
    return frozenset(ports)


def _tcp_ports(text: str) -> range:
    """Of `80`, `80/tcp`, `8000-8010/tcp`; none of `53/udp`, nor of words, which may stand there."""
    numbers, _, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    last = last or first
    if protocol not in ("", "tcp") or not (first.isdecimal() and last.isdecimal()):
        return range(0)
    return range(int(first), min(int(last), _HIGHEST_PORT) + 1)


def listening_ports(tables: tuple[str, ...]) -> frozenset[int]:
    """Ports that others can reach, from the text of /proc/PID/net/tcp and tcp6: state 0A, an
    address that is not loopback."""
    return frozenset(
        int(port, 16)
        for table in tables
        for address, port in _listeners(table)
        if not _is_loopback(address)
    )


def _listeners(table: str) -> list[tuple[str, str]]:
    rows = [line.split() for line in table.splitlines()[1:]]
    return [tuple(row[1].split(":")) for row in rows if row[3] == "0A"]  # type: ignore[misc]


def _is_loopback(address: str) -> bool:
    """Words in host order, as the kernel prints them: 127/8, ::1 and ::ffff:127/8."""
    if len(address) == 8:
        return address.endswith("7F")
    mapped = "0000000000000000FFFF0000"
    return address == "0" * 24 + "01000000" or (
        address.startswith(mapped) and address.endswith("7F")
    )
