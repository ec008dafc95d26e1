"""When a container that ended is started again. Pure: (policy, state, event, now) -> (state, what
to do).

Leaves the starting to supervisor/exits.py. `now` is monotonic seconds (R07). Source: D60 and moby's
restart manager. Docker keeps a count that only a start by hand resets; the pause grows with each
restart and begins anew after a run of ten seconds.
"""

from __future__ import annotations

from runtime import frozen
from runtime.frozen import dataclass
from runtime.values import RestartPolicy

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 60.0
GOOD_RUN = 10.0
"""Seconds after which a run counts as one that worked."""
FAILED_STARTS = frozenset({125, 126, 127, 128})


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartState:
    """What is remembered between two ends of a container."""

    count: int = 0
    """Restarts by policy since the last start by hand."""
    pause: float = 0.0
    """The last one; 0: none since a good run."""
    started_at: float = 0.0
    is_stopped: bool = False
    """Somebody asked for its end: no policy starts it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """It runs. `by_policy` False: a user's start, from which everything counts anew."""

    by_policy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """A stop, or a kill with SIGKILL or the stop signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """It ran and ended."""

    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFailed:
    """It never ran: a missing program is as missing the next time."""

    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAgain:
    """In so many seconds from now, unless it is stopped before."""

    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StayDown:
    """Until somebody starts it; `reason` is for people."""

    reason: str


Event = Started | StopAsked | Ended | StartFailed
Instruction = StartAgain | StayDown


def advance(
    policy: RestartPolicy, state: RestartState, event: Event, now: float
) -> tuple[RestartState, tuple[Instruction, ...]]:
    """The state after the event, and what follows from it."""
    match event:
        case Started():
            return _after_start(state, event, now), ()
        case StopAsked():
            return _changed(state, is_stopped=True), ()
        case StartFailed():
            return state, (StayDown(reason=f"its start failed with {event.exit_code}"),)
        case Ended():
            return _after_end(policy, state, event, now)


def _after_start(state: RestartState, event: Started, now: float) -> RestartState:
    if event.by_policy:
        return _changed(state, started_at=now)
    return RestartState(started_at=now)


def _after_end(
    policy: RestartPolicy, state: RestartState, event: Ended, now: float
) -> tuple[RestartState, tuple[Instruction, ...]]:
    worked = now - state.started_at >= (GOOD_RUN if policy.window is None else policy.window)
    if worked and policy.window is not None:
        # deploy's window: what worked is not held against it; Docker's own count goes on
        state = _changed(state, count=0)
    if reason := _reason_to_stay_down(policy, state, event):
        return state, (StayDown(reason=reason),)
    pause = _next_pause(policy, 0.0 if worked else state.pause)
    return _changed(state, count=state.count + 1, pause=pause), (StartAgain(after=pause),)


def _reason_to_stay_down(policy: RestartPolicy, state: RestartState, event: Ended) -> str:
    if state.is_stopped:
        return "it was stopped"
    if policy.name in ("always", "unless-stopped"):
        return ""
    if policy.name != "on-failure":
        return "its restart policy is no"
    if event.exit_code == 0:
        return "it ended with 0"
    if policy.max_retries and state.count >= policy.max_retries:
        return f"it was restarted {state.count} times"
    return ""


def _next_pause(policy: RestartPolicy, last: float) -> float:
    if policy.delay is not None:
        return policy.delay
    return min(last * 2, LONGEST_PAUSE) if last else FIRST_PAUSE


def pause_after_takeover(policy: RestartPolicy) -> float:
    """Of a restart that another supervisor decided and did not live to do."""
    return _next_pause(policy, 0.0)


def _changed(state: RestartState, **changes: object) -> RestartState:
    return frozen.replace(state, **changes)
