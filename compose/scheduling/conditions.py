"""Whether a container is as somebody waits for it to be: started, healthy, completed. Pure.

`judge` is asked again after every event. Texts: reference cli.md 7 and 18.
"""

from __future__ import annotations

from collections.abc import Mapping

from compose.planning.actions import Condition
from runtime.values import ContainerRecord, RunState

REACHED_WORDS: Mapping[Condition, str] = {
    "service_started": "Started",
    "service_healthy": "Healthy",
    "service_completed_successfully": "Exited",
    "running_or_healthy": "Healthy",
    "ready_or_done": "Healthy",
}
"""What progress says when it is so."""
WAITED_WORDS: Mapping[Condition, str] = {
    "service_started": "running",
    "service_healthy": "healthy",
    "service_completed_successfully": "completed",
    "running_or_healthy": "running or healthy",
    "ready_or_done": "ready",
}


class NotReached(Exception):
    """It will not be as it was waited for. The text names the container and why."""


def judge(condition: Condition, record: ContainerRecord, state: RunState) -> str | None:
    """The word for what was reached, or None: wait on. Raises NotReached."""
    if state.status in ("exited", "dead"):
        return _judge_ended(condition, record, state)
    if state.status != "running" or condition == "service_completed_successfully":
        return None
    if condition == "service_started":
        return "Started"
    return _judge_health(condition, record, state)


def _judge_ended(condition: Condition, record: ContainerRecord, state: RunState) -> str:
    is_success = state.status == "exited" and state.exit_code == 0
    if is_success and condition in ("service_completed_successfully", "ready_or_done"):
        return "Exited"
    if condition == "service_completed_successfully":
        raise NotReached(
            f'service "{record.options.service}" didn\'t complete successfully:'
            f" exit {state.exit_code}"
        )
    raise NotReached(f"container {record.name} exited ({state.exit_code})")


def _judge_health(condition: Condition, record: ContainerRecord, state: RunState) -> str | None:
    if state.health == "healthy":
        return "Healthy"
    if state.health == "unhealthy":
        raise NotReached(f"container {record.name} is unhealthy")
    if has_healthcheck(record):
        return None
    if condition == "service_healthy":
        raise NotReached(f"container {record.name} has no healthcheck configured")
    return "Healthy"


def has_healthcheck(record: ContainerRecord) -> bool:
    """By the service's word, else the image's."""
    for check in (record.options.healthcheck, record.image.healthcheck):
        if check is not None and check.test is not None:
            # one of an image that names no command is never asked
            return check.test[:1] not in ((), ("NONE",)) and check.test != ("CMD",)
    return False
