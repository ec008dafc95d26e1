"""The user's words end to end: a file names an image of a real registry, and it runs."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Pycompose
from tests.fakes import layouts, registries, scripted_registry

pytestmark = pytest.mark.kernel


def hello(text: str) -> layouts.Image:
    """One that says so and ends."""
    return layouts.image(layouts.busybox_tar(hello=f"{text}\n".encode()), Cmd=["cat", "/hello"])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.Registry]:
    with registries.serve(tmp_path_factory.mktemp("registry")) as registry:
        registry.add(
            "shop/web:1", layouts.image(layouts.busybox_tar(hello=b"one\n"), Cmd=["cat", "/hello"])
        )
        yield registry


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
    registry.add("shop/moving:1", hello("old"))
    pycompose.compose_file(f"services: {{web: {{image: '{image}'}}}}")
    assert "| old" in pycompose("up").stdout

    registry.add("shop/moving:1", hello("new"))
    pycompose("pull")
    run = pycompose("up")

    assert "| new" in run.stdout
    assert " Container project-web-1 Recreated \n" in run.stderr


HTPASSWD = "anna:$2b$04$mxnv5.SWmEB.pnze/WpAK.9bOK0FPWtiexbGvnccya2Dap198lPW.\n"  # anna:secret


def test_a_login_opens_a_registry_and_a_logout_closes_it(pycompose: Pycompose, tmp_path: Path):
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "tests", "path": str(tmp_path / "htpasswd")}}
    home = {"HOME": str(tmp_path / "home")}
    with registries.serve(tmp_path / "private", auth=auth) as private:
        image = f"{private.host}/shop/web:1"
        private.add("shop/web:1", hello("private"), login="anna:secret")
        pycompose.compose_file(f"services: {{web: {{image: '{image}'}}}}")

        denied = pycompose("pull", check=False, environment=home)
        assert denied.returncode == 1
        assert f"error E542: pull access denied for {image}" in denied.stderr

        wrong = pycompose(
            "login", "-u", "anna", "--password-stdin", private.host,
            stdin="wrong", check=False, environment=home,
        )  # fmt: skip
        assert wrong.returncode == 1
        assert not (tmp_path / "home" / ".docker").exists()

        ran = pycompose(
            "login",
            "-u",
            "anna",
            "--password-stdin",
            private.host,
            stdin="secret",
            environment=home,
        )
        assert ran.stdout == "Login Succeeded\n"
        assert "| private" in pycompose("up", environment=home).stdout

        pycompose("logout", private.host, environment=home)
        assert pycompose("pull", check=False, environment=home).returncode == 1


def test_pull_policies_of_up(pycompose: Pycompose, registry: registries.Registry):
    image = f"{registry.host}/shop/policy:1"
    registry.add("shop/policy:1", hello("first"))
    pycompose.compose_file(f"services: {{web: {{image: '{image}', pull_policy: never}}}}")
    run = pycompose("up", check=False)
    assert run.returncode == 1
    assert "error E210: image" in run.stderr

    pycompose.compose_file(f"services: {{web: {{image: '{image}', pull_policy: always}}}}")
    assert "| first" in pycompose("up").stdout
    registry.add("shop/policy:1", hello("second"))
    assert "| second" in pycompose("up").stdout


def test_each_failed_pull_is_told_and_the_others_come(
    pycompose: Pycompose, registry: registries.Registry
):
    pycompose.compose_file(
        f"services: {{web: {{image: '{registry.host}/shop/web:1'}},"
        f" gone: {{image: '{registry.host}/shop/gone:1'}}}}"
    )

    failed = pycompose("pull", check=False)
    ignored = pycompose("pull", "--ignore-pull-failures")
    quiet = pycompose("pull", "-q", "web")

    assert failed.returncode == 1
    assert (
        f"error E545: {registry.host}/shop/gone:1 is not in the registry\n"
        f"tried:    ask {registry.host}\n"
        "answered: MANIFEST_UNKNOWN: manifest unknown\n" in failed.stderr
    )
    assert f" Image {registry.host}/shop/web:1 Pulled \n" in failed.stderr
    assert (
        f" Image {registry.host}/shop/gone:1 Warning {registry.host}/shop/gone:1 is not in the registry\n"
        in ignored.stderr
    )
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_progress_as_json_names_each_layer(pycompose: Pycompose, registry: registries.Registry):
    image = f"{registry.host}/shop/json:1"
    registry.add("shop/json:1", hello("json"))

    run = pycompose("--progress", "json", "image", "pull", image)

    events = [json.loads(line) for line in run.stderr.splitlines()]
    layers = [event["text"] for event in events if event.get("parent_id") == f"Image {image}"]
    assert layers[0] == "Pulling fs layer"
    assert layers[-1] == "Pull complete"
    digest = registry.inspect("shop/json:1")["Digest"]
    assert run.stdout == f"Digest: {digest}\n{image}\n"


def test_a_name_is_pinned_to_what_it_means_in_its_registry(
    pycompose: Pycompose, registry: registries.Registry
):
    pycompose.compose_file(f"services: {{web: {{image: '{registry.host}/shop/web:1'}}}}")

    run = pycompose("config", "--resolve-image-digests", "--images")
    pinned = pycompose("config", "--resolve-image-digests").stdout

    digest = registry.inspect("shop/web:1")["Digest"]
    assert f"image: {registry.host}/shop/web:1@{digest}\n" in pinned
    assert run.returncode == 0


def test_push_takes_an_image_back_to_its_registry(
    pycompose: Pycompose, registry: registries.Registry
):
    pycompose("image", "pull", "-q", f"{registry.host}/shop/web:1")
    target = f"{registry.host}/mine/built:2"
    pycompose("image", "tag", f"{registry.host}/shop/web:1", target)
    pycompose.compose_file(f"services: {{web: {{image: '{target}', build: .}}}}")

    run = pycompose("push")

    assert f" Image {target} Pushing \n Image {target} Pushed \n" in run.stderr
    assert registry.inspect("mine/built:2")["Digest"] == registry.inspect("shop/web:1")["Digest"]


def test_ctrl_c_ends_a_pull_at_once_and_keeps_what_came(pycompose: Pycompose):
    with scripted_registry.serve() as registry:
        image = hello("stalled")
        registry.add("shop/web:1", image)
        asked = threading.Event()
        stall = scripted_registry.stalled_after(1000, "GET .*/blobs/" + image.layers[0].digest)
        registry.faults.append(lambda handler: stall_and_tell(handler, stall, asked))
        pycompose.compose_file(f"services: {{web: {{image: '{registry.host}/shop/web:1'}}}}")

        running = pycompose.start("pull")
        assert asked.wait(60)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)

        assert running.returncode == 130, said
        assert "Traceback" not in said
        registry.faults.clear()
        assert pycompose("pull").returncode == 0


def stall_and_tell(handler: Any, stall: Any, asked: threading.Event) -> bool:
    if handler.path.endswith("/manifests/1"):
        return False
    asked.set()
    return bool(stall(handler))
