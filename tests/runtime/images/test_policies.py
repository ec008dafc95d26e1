"""When an image that is here is looked for again."""

import pytest

from runtime import tasks
from runtime.errors import NotFound, RuntimeFault
from runtime.images import front
from runtime.images.policies import interval_of, is_due
from runtime.paths import Paths
from tests.fakes import layouts, scripted_registry
from tests.runtime.images.tars import Tar

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


def test_the_policy_decides_whether_a_moved_tag_is_followed(paths: Paths):
    def ensure(policy: str, platform: str = "") -> str:
        async def call() -> str:
            found = await front.ensure(paths, name, policy=policy, platform=platform)
            return found.config.labels["number"]

        return tasks.run(call)

    def serve_image(number: int) -> None:
        tar = Tar().file("number", str(number).encode()).bytes
        other = layouts.image(tar, Labels={"number": f"arm {number}"}, architecture="arm64")
        registry.add("shop/web:1", layouts.image(tar, Labels={"number": str(number)}), other)

    with scripted_registry.serve() as registry:
        name = f"{registry.host}/shop/web:1"
        serve_image(1)
        with pytest.raises(NotFound):
            ensure("never")
        assert ensure("missing") == "1"
        serve_image(2)
        registry.forget()
        for policy in (
            "never",
            "missing",
            "if_not_present",
            "build",
            "daily",
            "weekly",
            "every_1h",
        ):
            assert ensure(policy) == "1"
        assert registry.requests == []
        assert ensure("every_0s") == "2"
        serve_image(3)
        assert ensure("always") == "3"
        # an image of another platform is not the one that is asked for
        assert ensure("missing", "linux/arm64") == "arm 3"
        assert ensure("missing", "linux/amd64") == "3"


@pytest.mark.parametrize("reference", ["host:latest", "host:12"])
def test_no_registry_is_asked_for_this_machine_with_a_tag(paths: Paths, reference: str):
    with pytest.raises(NotFound) as caught:
        tasks.run(lambda: front.ensure(paths, reference))
    assert (caught.value.message, caught.value.hint) == (
        f"no such image: {reference}",
        "this machine as an image is `image: host`, without tag and digest",
    )
