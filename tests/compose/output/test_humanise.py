"""Durations, sizes and states in Docker's words."""

import pytest

from compose.output import humanise
from runtime.values import RunState

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "Less than a second"),
        (0.9, "Less than a second"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (59 * MINUTE, "59 minutes"),
        (HOUR, "About an hour"),
        (2 * HOUR, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (60 * DAY, "2 months"),
        (2 * 365 * DAY, "2 years"),
    ],
)
def test_a_duration_has_one_unit(seconds: float, words: str):
    assert humanise.duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (204_100_000, "204.1MB"), (1_500_000_000, "1.5GB")],
)
def test_sizes_are_powers_of_a_thousand(count: int, text: str):
    assert humanise.size(count) == text


def test_image_sizes_have_three_digits():
    assert humanise.size(204_123_000, digits=3) == "204MB"


def test_memory_is_counted_in_powers_of_1024():
    assert humanise.binary_size(1536 * 1024) == "1.5MiB"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (RunState(status="created"), "Created"),
        (RunState(status="running", started_at=100), "Up 3 minutes"),
        (
            RunState(status="running", started_at=100, health="starting"),
            "Up 3 minutes (health: starting)",
        ),
        (RunState(status="running", started_at=100, health="healthy"), "Up 3 minutes (healthy)"),
        (
            RunState(status="running", started_at=100, health="unhealthy"),
            "Up 3 minutes (unhealthy)",
        ),
        (RunState(status="paused", started_at=100), "Up 3 minutes (Paused)"),
        (
            RunState(status="restarting", exit_code=3, finished_at=277),
            "Restarting (3) 3 seconds ago",
        ),
        (RunState(status="exited", exit_code=137, finished_at=100), "Exited (137) 3 minutes ago"),
        (RunState(status="dead"), "Dead"),
        (RunState(status="removing"), "Removal In Progress"),
    ],
)
def test_the_status_column(state: RunState, text: str):
    assert humanise.status(state, now=280) == text


def test_log_times_are_nanoseconds_wide():
    assert humanise.timestamp(0.25) == "1970-01-01T00:00:00.250000000Z"
    assert humanise.timestamp(1.9999999) == "1970-01-01T00:00:02.000000000Z"
