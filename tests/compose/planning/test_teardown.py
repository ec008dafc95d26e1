"""What `down` does with images: planning/teardown.py."""

import pytest

from compose.options import DownOptions
from compose.planning.teardown import take_down
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
