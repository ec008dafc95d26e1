"""What `down` does with images, and who may be removed while he runs: planning/teardown.py."""

import pytest

from compose.options import DownOptions, RemoveOptions
from compose.planning.actions import RemoveContainer
from compose.planning.plan import Plan
from compose.planning.teardown import remove, take_down
from tests.fakes.plans import observed_after
from tests.fakes.projects import project_of

STACK = """
services:
  web: {image: shop, scale: 2}
  job: {image: shop}
  db: {image: pg}
  self: {image: host}
"""


@pytest.mark.parametrize(
    ("rmi", "removed"),
    [("all", ["remove image pg", "remove image shop"]), ("local", []), ("", [])],
)
def test_an_image_that_services_share_is_removed_once(rmi: str, removed: list[str]):
    plan = take_down(project_of(STACK), observed_after(STACK), DownOptions(rmi=rmi))
    assert sorted(str(action) for action in plan if "image" in str(action)) == removed


def test_what_another_command_starts_meanwhile_goes_with_down_and_stays_with_rm():
    project = project_of("services: {job: {image: host}}")
    observed = observed_after("services: {job: {image: host}}", "job-1 exited 0")

    def is_forced(plan: Plan) -> list[bool]:
        return [action.force for action in plan if isinstance(action, RemoveContainer)]

    assert is_forced(take_down(project, observed, DownOptions())) == [True]
    assert is_forced(remove(project, observed, RemoveOptions())) == [False]
    assert is_forced(remove(project, observed, RemoveOptions(stop=True))) == [True]
