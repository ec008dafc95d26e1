"""When the next supervisor is started."""

import socket
import sys

import pytest

from runtime.keeper.supervision import Supervision, next_pause
from runtime.paths import Paths


def test_the_first_death_costs_no_pause_and_those_after_it_more_and_more():
    assert [next_pause(deaths) for deaths in (0, 1, 2, 3, 7, 8, 100)] == [
        0.0,
        0.05,
        0.1,
        0.2,
        3.2,
        5.0,
        5.0,
    ]


def test_one_that_cannot_be_started_is_tried_again_after_growing_pauses_too(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
):
    """The environment that the keeper was started from was removed: it must not spin."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with socket.socket(socket.AF_UNIX) as listener:
        supervision = Supervision(paths, "abcd1234", listener)
        pauses = []
        for _attempt in range(4):
            with pytest.raises(FileNotFoundError):
                supervision.spawn()
            pauses.append(supervision.ended())
    assert pauses == [0.0, 0.05, 0.1, 0.2]
