"""When an image that is here is looked for again."""

import pytest

from runtime.errors import RuntimeFault
from runtime.images.policies import interval_of, is_due

DAY = 86400.0


@pytest.mark.parametrize("policy", ["", "missing", "never", "build", "if_not_present"])
def test_some_policies_never_look_again(policy: str):
    assert not is_due(policy, last=0.0, now=1e9)


def test_always_does():
    assert is_due("always", last=1e9, now=1e9)


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [
        ("daily", DAY),
        ("weekly", 7 * DAY),
        ("every_12h", DAY / 2),
        ("every_1d12h", 1.5 * DAY),
        ("every_2w", 14 * DAY),
        ("every_90s", 90.0),
        ("every_1.5h", 5400.0),
    ],
)
def test_others_by_the_time_of_the_last_pull(policy: str, seconds: float):
    assert interval_of(policy) == seconds
    assert not is_due(policy, last=1000.0, now=999.0 + seconds)
    assert is_due(policy, last=1000.0, now=1000.0 + seconds)


@pytest.mark.parametrize(
    "policy", ["sometimes", "every_", "every_day", "every_5", "12h", "every_5x"]
)
def test_what_is_no_policy_is_said(policy: str):
    with pytest.raises(RuntimeFault) as caught:
        is_due(policy, last=0.0, now=0.0)

    assert (caught.value.code, caught.value.message) == ("E536", f"`{policy}` is no pull policy")
