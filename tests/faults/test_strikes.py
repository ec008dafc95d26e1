"""R10-R13: SIGKILL of the command, the supervisor, the keeper or an init at any step of `up`, `exec` and `down`.

The next command goes on, and after `down` nothing is left. A sample, evenly over all points; the whole list takes the
better part of an hour: `python -m tests.faults.strike`.
"""

from __future__ import annotations

import pytest

from tests.faults.strike import VERBS, Strike, stage, strikes

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(900)]

STRUCK, MISSED = "struck", "nothing came by there"
SAMPLE = {"up": 16, "exec": 5, "down": 9}


@pytest.mark.parametrize("verb", VERBS)
def test_the_next_command_goes_on_and_down_leaves_nothing(verb: str):
    every = strikes(verb, every=False)
    chosen = every[3 :: max(1, len(every) // SAMPLE[verb])]
    assert len(chosen) >= SAMPLE[verb]
    outcomes = {str(strike): _outcome(strike) for strike in chosen}
    assert {text: how for text, how in outcomes.items() if how not in (STRUCK, MISSED)} == {}
    # which of two keepers or supervisors passes a point is not the same in every run
    assert list(outcomes.values()).count(STRUCK) >= SAMPLE[verb] * 2 // 3


def _outcome(strike: Strike) -> str:
    try:
        with stage() as made:
            return STRUCK if made.live(strike) else MISSED
    except AssertionError as error:
        return str(error)
