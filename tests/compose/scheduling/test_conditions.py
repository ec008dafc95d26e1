"""Whether a container is asked how it is, and so can be waited for to be healthy."""

from __future__ import annotations

import pytest

from compose.scheduling.conditions import has_healthcheck
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    HealthOptions,
    ImageConfig,
    ProjectId,
)

Test = tuple[str, ...] | None


@pytest.mark.parametrize(
    ("own", "of_image", "expected"),
    [
        (None, None, False),
        (("CMD", "true"), None, True),
        (None, ("CMD-SHELL", "true"), True),
        (("NONE",), ("CMD", "true"), False),
        ((), ("CMD", "true"), False),
        (None, ("CMD",), False),  # nobody would ever ask it
    ],
)
def test_the_service_s_word_counts_and_else_the_image_s(own: Test, of_image: Test, expected: bool):
    record = ContainerRecord(
        id=ContainerId("c1"),
        project_id=ProjectId("p1"),
        options=ContainerOptions(project="p", name="n", healthcheck=HealthOptions(test=own)),
        image=ImageConfig(healthcheck=HealthOptions(test=of_image)),
    )
    assert has_healthcheck(record) is expected
