"""The user's words end to end: a file names an image of a real registry, and it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Pycompose
from tests.fakes import layouts, registries

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.Registry]:
    with registries.serve(tmp_path_factory.mktemp("registry")) as registry:
        registry.add(
            "shop/web:1", layouts.image(layouts.busybox_tar(hello=b"one\n"), Cmd=["cat", "/hello"])
        )
        yield registry


@pytest.fixture(autouse=True)
def short_root(root: Path) -> None:
    """The root is the command's own."""


def test_up_pulls_what_is_missing_and_runs_it(pycompose: Pycompose, registry: registries.Registry):
    image = f"{registry.host}/shop/web:1"
    pycompose.compose_file(f"services: {{web: {{image: '{image}'}}}}")

    run = pycompose("up")

    assert run.stdout == "Attaching to web-1\nweb-1  | one\nweb-1 exited with code 0\n"
    told = [line for line in run.stderr.splitlines() if "Image" in line]
    assert told == [f" Image {image} Pulling ", f" Image {image} Pulled "]
    assert "Image" not in pycompose("up").stderr


def test_a_newer_image_of_the_same_tag_recreates_the_container(
    pycompose: Pycompose, registry: registries.Registry
):
    image = f"{registry.host}/shop/moving:1"
    registry.add(
        "shop/moving:1", layouts.image(layouts.busybox_tar(hello=b"old\n"), Cmd=["cat", "/hello"])
    )
    pycompose.compose_file(f"services: {{web: {{image: '{image}'}}}}")
    assert "| old" in pycompose("up").stdout

    registry.add(
        "shop/moving:1", layouts.image(layouts.busybox_tar(hello=b"new\n"), Cmd=["cat", "/hello"])
    )
    assert "| old" in pycompose("up").stdout
    pycompose("pull")
    run = pycompose("up")

    assert "| new" in run.stdout
    assert " Container project-web-1 Recreated \n" in run.stderr
