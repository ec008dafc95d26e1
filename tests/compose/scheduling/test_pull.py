"""`pull` and `push`: which images, in Docker's words, and what becomes of failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose.errors import ActionFailed
from compose.options import PullOptions, PushOptions, UpOptions
from tests.fakes.engine import World, image
from tests.fakes.stacks import Play, play

FILE = """
services:
  web:
    image: nginx:1
    depends_on: [db]
  db: {image: "postgres:16", pull_policy: missing}
  built: {image: "shop:1", build: .}
  nameless: {build: .}
  host: {image: host}
"""


def stage(folder: Path, text: str = FILE, *, obtainable: tuple[str, ...] = ()) -> Play:
    world = World()
    world.obtainable.update({name: image(name) for name in obtainable})
    return play(folder, text, world)


def pulled(shop: Play) -> list[str]:
    return sorted(line.split()[2] for line in shop.world.journal if line.startswith("ensure"))


def lines(shop: Play, word: str) -> list[str]:
    return sorted(line for line in shop.said.splitlines() if word in line)


EVERY = ("nginx:1", "postgres:16", "shop:1")


def test_every_image_with_a_name_is_pulled(tmp_path: Path):
    shop = stage(tmp_path, obtainable=EVERY)

    shop.stack.pull(on_event=shop.hear)

    assert pulled(shop) == ["nginx:1", "postgres:16", "shop:1"]
    assert lines(shop, "Pulled") == [f"Image {name} Pulled" for name in sorted(EVERY)]
    assert lines(shop, "Skipped") == ["Image nameless Skipped No image to be pulled"]


def test_policy_missing_is_content_with_what_is_here(tmp_path: Path):
    shop = stage(tmp_path, obtainable=EVERY)
    shop.world.images["postgres:16"] = image("postgres:16")

    shop.stack.pull(on_event=shop.hear)

    assert pulled(shop) == ["nginx:1", "shop:1"]
    assert "Image postgres:16 Skipped Image is already present locally" in shop.said


@pytest.mark.parametrize(("policy", "names"), [("missing", []), ("always", list(EVERY))])
def test_the_flag_is_stronger_than_the_file(tmp_path: Path, policy: str, names: list[str]):
    shop = stage(tmp_path, obtainable=EVERY)
    shop.world.images.update({name: image(name) for name in EVERY})

    shop.stack.pull(PullOptions(policy=policy), on_event=shop.hear)  # type: ignore[arg-type]

    assert pulled(shop) == names


def test_services_alone_or_with_what_they_depend_on(tmp_path: Path):
    alone, both = (stage(tmp_path, obtainable=EVERY) for _ in range(2))

    alone.stack.pull(PullOptions(services=("web",)))
    both.stack.pull(PullOptions(services=("web",), include_deps=True))

    assert pulled(alone) == ["nginx:1"]
    assert pulled(both) == ["nginx:1", "postgres:16"]


def test_what_can_be_built_may_be_left_out(tmp_path: Path):
    shop = stage(tmp_path, obtainable=EVERY)

    shop.stack.pull(PullOptions(ignore_buildable=True))

    assert pulled(shop) == ["nginx:1", "postgres:16"]


def test_a_failure_is_an_error_after_the_others_came(tmp_path: Path):
    shop = stage(tmp_path, obtainable=("postgres:16", "shop:1"))

    with pytest.raises(ActionFailed) as caught:
        shop.stack.pull(on_event=shop.hear)

    assert caught.value.message == "no such image: nginx:1"
    assert lines(shop, "nginx:1") == ["Image nginx:1 Error no such image: nginx:1"]
    assert set(shop.world.images) == {"host", "postgres:16", "shop:1"}


def test_failures_may_be_ignored_and_each_is_a_warning(tmp_path: Path):
    shop = stage(tmp_path, obtainable=("shop:1",))

    shop.stack.pull(PullOptions(ignore_pull_failures=True), on_event=shop.hear)

    assert lines(shop, "Warning") == [
        "Image nginx:1 Warning no such image: nginx:1",
        "Image postgres:16 Warning no such image: postgres:16",
    ]


def test_what_cannot_be_pulled_and_can_be_built_is_named_with_the_command(tmp_path: Path):
    shop = stage(tmp_path, obtainable=("nginx:1", "postgres:16"))

    with pytest.raises(ActionFailed):
        shop.stack.pull(on_event=shop.hear)

    assert (
        "Some service image(s) must be built from source by running:\n    pycompose build built"
        in shop.said
    )


def test_images_of_mounts_and_hooks_come_too_when_they_are_missing(tmp_path: Path):
    text = """
services:
  web:
    image: nginx:1
    volumes: [{type: image, source: "assets:1", target: /assets}]
    pre_start: [{image: "tools:1", command: [migrate]}]
"""
    shop = stage(tmp_path, text, obtainable=("nginx:1", "assets:1", "tools:1"))
    shop.world.images["tools:1"] = image("tools:1")

    shop.stack.pull()
    assert pulled(shop) == ["assets:1", "nginx:1"]

    other = stage(tmp_path, text, obtainable=("nginx:1", "assets:1", "tools:1"))
    plan = other.stack.explain(UpOptions())
    assert [line.split()[1:3] for line in plan.splitlines() if "pull" in line] == [
        ["pull", "nginx:1"],
        ["pull", "assets:1"],
        ["pull", "tools:1"],
    ]
    creation = next(line for line in plan.splitlines() if "create web-1" in line)
    assert "<- 1,2,3,4" in creation


def test_push_sends_what_is_built_and_has_a_name(tmp_path: Path):
    shop = stage(
        tmp_path,
        """
services:
  web: {image: "nginx:1"}
  built: {image: "shop:1", build: {context: ., tags: ["shop:latest"]}}
  nameless: {build: .}
""",
    )
    shop.world.images.update({name: image(name) for name in ("shop:1", "shop:latest")})

    shop.stack.push(on_event=shop.hear)

    journal = [line for line in shop.world.journal if line.startswith("push")]
    assert sorted(journal) == ["push image shop:1", "push image shop:latest"]
    assert lines(shop, "Push") == ["Image shop:1 Pushed", "Image shop:latest Pushed"]
    assert lines(shop, "Skipped") == ["Image nginx:1 Skipped"]


def test_a_failed_push_is_an_error_or_a_warning(tmp_path: Path):
    text = "services: {built: {image: 'shop:1', build: .}}"

    with pytest.raises(ActionFailed):
        stage(tmp_path, text).stack.push()

    shop = stage(tmp_path, text)
    shop.stack.push(PushOptions(ignore_push_failures=True), on_event=shop.hear)
    assert lines(shop, "Warning") == ["Image shop:1 Warning no such image: shop:1"]
