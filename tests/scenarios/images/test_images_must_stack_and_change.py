"""Images of as many layers as overlayfs can take, images from files, image mounts, and images that change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.images.front import machine_platform
from tests.conftest import Pycompose
from tests.runtime.images.made import Layout, busybox_tar, layer_of

pytestmark = pytest.mark.kernel

ImportImage = Callable[..., str]


def test_127_layers_start(pycompose: Pycompose, tmp_path: Path):
    layout = Layout(tmp_path / "layout")
    layers = [
        layer_of({f"layers/{number}": f"{number}", "top": f"{number}"}) for number in range(126)
    ]
    layout.image(
        [busybox_tar(), *layers], {"Cmd": ["sh", "-c", "ls /layers | busybox wc -l; cat /top"]}
    )
    pycompose.compose_file(f"services: {{web: {{image: 'oci:{layout.folder}'}}}}")
    # an emulated second host takes its time
    pycompose("up", "-d", timeout=400)
    pycompose("wait", "web", check=False, timeout=100)
    assert pycompose("logs", "--no-log-prefix", "web").stdout == "126\n125\n"


def test_folders_and_files_of_another_image_are_mounted(
    pycompose: Pycompose, import_image: ImportImage, tmp_path: Path
):
    import_image("me", 'CMD ["sleep", "60"]')
    layout = Layout(tmp_path / "layout")
    lower = {"data/deep/a": "lower", "data/deep/b": "lower", "data/gone": "x", "link": "x"}
    upper = {"data/deep/b": "upper", "data/.wh.gone": "", "data/deep/c": "upper"}
    layout.image([layer_of(lower), layer_of(upper)], {})
    pycompose.compose_file(
        f"""
        services:
          web:
            image: me
            stop_grace_period: 0s
            volumes:
              - {{type: image, source: 'oci:{layout.folder}', target: /all}}
              - {{type: image, source: 'oci:{layout.folder}', target: /part, image: {{subpath: data/deep}}}}
              - {{type: image, source: 'oci:{layout.folder}', target: /one, image: {{subpath: data/deep/b}}}}
        """
    )
    pycompose("up", "-d")

    def sh(text: str) -> str:
        return pycompose("exec", "web", "sh", "-c", text).stdout

    assert sh("cd /all/data; ls; cat deep/a deep/b deep/c") == "deep\nlowerupperupper"
    assert sh("ls /part; cat /part/b /one") == "a\nb\nc\nupperupper"
    assert (
        sh("touch /part/new /all/new || echo refused; rm -f /one || echo refused")
        == "refused\nrefused\n"
    )
    shown = sh("busybox grep -E ' /(all|part|one) ' /proc/self/mountinfo")
    assert len(shown.splitlines()) == 3
    assert str(pycompose.root) not in shown
    assert pycompose("image", "prune", "-af").stdout == "Total reclaimed space: 0B\n"


def test_a_subpath_that_is_not_there_is_named(pycompose: Pycompose, import_image: ImportImage):
    import_image("me", 'CMD ["sleep", "60"]')
    volume = "{type: image, source: me, target: /x, image: {subpath: no/such}}"
    pycompose.compose_file(f"services: {{web: {{image: me, volumes: [{volume}]}}}}")
    done = pycompose("up", "-d", check=False)
    assert done.returncode != 0
    assert "no/such" in done.stderr


def test_the_machine_itself_is_never_mounted_as_an_image(
    pycompose: Pycompose, import_image: ImportImage
):
    import_image("me", 'CMD ["sleep", "60"]')
    pycompose.compose_file(
        "services: {web: {image: me, volumes: [{type: image, source: host, target: /h}]}}"
    )
    done = pycompose("up", "-d", check=False)
    assert done.returncode != 0
    assert "image host cannot be mounted: it would show all of this machine" in done.stderr


def test_up_notices_a_changed_image_and_says_so(pycompose: Pycompose, import_image: ImportImage):
    import_image("me:1", 'CMD ["sleep", "60"]', files={"version": "1"})
    pycompose.compose_file("services: {web: {image: 'me:1', stop_grace_period: 0s}}")
    pycompose("up", "-d")
    assert "Recreate" not in pycompose("up", "-d").stderr
    import_image("me:1", 'CMD ["sleep", "60"]', files={"version": "2"})
    # the old container goes on with what it was made from, also over a restart
    assert pycompose("exec", "web", "cat", "/version").stdout == "1"
    pycompose("restart", "web")
    assert pycompose("exec", "web", "cat", "/version").stdout == "1"
    assert "image me:1 has other content now" in pycompose("up", "-d", "--explain").stdout
    assert "Recreated" in pycompose("up", "-d").stderr
    assert pycompose("exec", "web", "cat", "/version").stdout == "2"


def test_up_notices_a_layout_that_changed(pycompose: Pycompose, tmp_path: Path):
    command = {"Cmd": ["sleep", "60"]}
    first, second = Layout(pycompose.folder / "one"), Layout(pycompose.folder / "two")
    first.image([busybox_tar({"version": "1"})], command)
    second.image([busybox_tar({"version": "2"})], command)
    pycompose.compose_file("services: {web: {image: 'oci:./one', stop_grace_period: 0s}}")
    pycompose("up", "-d")
    assert pycompose("exec", "web", "cat", "/version").stdout == "1"
    (pycompose.folder / "one").rename(pycompose.folder / "old")
    (pycompose.folder / "two").rename(pycompose.folder / "one")
    pycompose("up", "-d")
    assert pycompose("exec", "web", "cat", "/version").stdout == "2"


def test_an_image_that_a_container_mounts_and_that_changed_is_noticed(
    pycompose: Pycompose, import_image: ImportImage
):
    import_image("me", 'CMD ["sleep", "60"]')
    import_image("data", files={"version": "1"})
    pycompose.compose_file(
        "services: {web: {image: me, stop_grace_period: 0s, volumes: [{type: image, source: data, target: /d}]}}"
    )
    pycompose("up", "-d")
    import_image("data", files={"version": "2"})
    words = "image data, which it mounts, has other content now"
    assert words in pycompose("up", "-d", "--explain").stdout
    pycompose("up", "-d")
    assert pycompose("exec", "web", "cat", "/d/version").stdout == "2"
    assert "Recreate" not in pycompose("up", "-d").stderr


def test_an_image_for_another_platform_is_not_taken(
    pycompose: Pycompose, import_image: ImportImage
):
    import_image("localhost:1/me", 'CMD ["sleep", "60"]')
    pycompose.compose_file(
        "services: {web: {image: 'localhost:1/me', platform: linux/s390x, pull_policy: never}}"
    )
    done = pycompose("up", "-d", check=False)
    assert done.returncode != 0
    assert "localhost:1/me" in done.stderr
    pycompose.compose_file(
        "services: {web: {image: 'localhost:1/me', platform: linux/amd64, stop_grace_period: 0s}}"
    )
    pycompose("up", "-d")


def test_the_machine_itself_is_of_its_own_platform_alone(pycompose: Pycompose):
    web = "services: {web: {image: host, command: [sleep, '60'], init: true, platform: %s}}"
    pycompose.compose_file(web % "linux/s390x")
    refused = pycompose("--progress", "quiet", "up", "-d", check=False)
    assert (refused.returncode, refused.stderr.splitlines()[:2]) == (
        1,
        [
            "error E534: image host of web: this machine is not linux/s390x",
            f"answered: it is {machine_platform()}",
        ],
    )
    assert pycompose("ps", "-aq").stdout == ""
    pycompose.compose_file(web % "linux")
    pycompose("up", "-d")


def test_a_folder_is_an_image(pycompose: Pycompose, tmp_path: Path):
    import io
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(busybox_tar({"of": "the folder"}))) as archive:
        archive.extractall(pycompose.folder / "rootfs", filter="fully_trusted")
    pycompose.compose_file(
        "services: {web: {image: 'dir:./rootfs', command: [sleep, '60'], stop_grace_period: 0s}}"
    )
    pycompose("up", "-d")
    assert (
        pycompose("exec", "web", "sh", "-c", "cat /of; echo changed > /of").stdout == "the folder"
    )
    assert (pycompose.folder / "rootfs" / "of").read_text() == "the folder"


def test_an_image_is_named_by_its_id(pycompose: Pycompose, import_image: ImportImage):
    id = import_image("me", 'CMD ["sleep", "60"]').removeprefix("sha256:")
    services = {"whole": f"sha256:{id}", "digits": id, "short": id[:12]}
    lines = (
        f"{name}: {{image: '{text}', stop_grace_period: 0s}}" for name, text in services.items()
    )
    pycompose.compose_file(f"services: {{{', '.join(lines)}}}")
    pycompose("up", "-d")
    assert pycompose("ps", "--services").stdout.split() == ["digits", "short", "whole"]
    assert "Recreate" not in pycompose("up", "-d").stderr
