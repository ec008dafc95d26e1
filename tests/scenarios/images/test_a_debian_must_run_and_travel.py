"""A root file system that others made, with everything real ones have: imported, lived in, saved, pushed, pulled and loaded, it stays what it was."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import Pycompose
from tests.fakes import debian, registries

pytestmark = [pytest.mark.kernel, pytest.mark.servers, pytest.mark.slow]

CHORES = r"""
set -e
dpkg --audit
dpkg-query -W -f '${Status}\n' | sort | uniq -c
useradd --create-home --shell /bin/bash --uid 1234 worker
su worker -c 'id -un; touch ~/mine; test ! -w /etc/passwd'
mkdir -p /tmp/hello/DEBIAN /tmp/hello/usr/share/hello
printf 'Package: hello-here\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n' > /tmp/hello/DEBIAN/control
echo one > /tmp/hello/usr/share/hello/text
dpkg-deb --root-owner-group --build /tmp/hello /tmp/hello.deb > /dev/null
apt-get -qq install -y /tmp/hello.deb < /dev/null > /dev/null 2>&1
cat /usr/share/hello/text
apt-get -qq purge -y hello-here < /dev/null > /dev/null 2>&1
test ! -e /usr/share/hello
dpkg --force-depends -P --force-remove-essential tar > /dev/null 2>&1
test ! -e /bin/tar
mv /usr/share/doc /usr/share/moved && ls /usr/share/moved | wc -l > /dev/null
ldconfig; find / -xdev -perm -4000 -user root -name su
"""


class Debian(NamedTuple):
    archive: Path
    """Its tar."""
    listing: list[str]


@pytest.fixture(scope="module")
def tree() -> Iterator[Debian]:
    """Made once for all tests of this file: half a minute."""
    with tempfile.TemporaryDirectory(prefix="debian-", dir="/var/tmp") as name:
        folder = Path(name)
        (folder / "made").mkdir()
        made = debian.make(folder / "made")
        try:
            archive = folder / "debian.tar"
            words = ["tar", "--numeric-owner", "--xattrs", "--format=posix", "-C", made, "-cf"]
            subprocess.run([*words, archive, "."], check=True)
            yield Debian(archive, debian.listing(made))
        finally:
            debian.remove(folder / "made")


def layer_of(pycompose: Pycompose) -> Path:
    (layer,) = (pycompose.paths.images / "layers").iterdir()
    return layer


def test_it_is_a_debian_like_any_other(pycompose: Pycompose, tree: Debian):
    pycompose("image", "import", str(tree.archive), "debian:made", "-c", 'CMD ["sleep", "1000"]')
    # what tar kept is what is there: kinds, modes, owners, times to the nanosecond, targets and numbers of links
    assert debian.listing(layer_of(pycompose)) == tree.listing
    assert len(tree.listing) > 5000

    pycompose.compose_file("services: {web: {image: 'debian:made', stop_grace_period: 0s}}")
    pycompose("up", "-d")
    did = pycompose("exec", "-T", "web", "sh", "-c", CHORES, timeout=120)

    lines = did.stdout.split("\n")
    assert lines[0].strip().endswith("install ok installed")
    assert lines[1:] == ["worker", "one", "/usr/bin/su", ""]
    # nothing of that reached the image
    assert debian.listing(layer_of(pycompose)) == tree.listing


def test_it_comes_back_the_same_from_an_archive_and_from_a_registry(
    pycompose: Pycompose, tree: Debian, tmp_path: Path
):
    id = pycompose("image", "import", str(tree.archive), "debian:made").stdout.strip()
    pycompose("image", "save", "debian:made", "-o", "saved.tar", timeout=120)
    with registries.serve(tmp_path) as registry:
        name = f"{registry.host}/debian:made"
        pycompose("image", "tag", "debian:made", name)
        pushed = pycompose("image", "push", "-q", name).stdout
        assert registry.inspect("debian:made")["Layers"] == [
            f"sha256:{path.name}"
            for path in (pycompose.paths.images / "blobs" / "sha256").iterdir()
            if path.stat().st_size > 1 << 20
        ]
        pycompose("image", "prune", "-af")
        assert list((pycompose.paths.images / "layers").iterdir()) == []

        pycompose("image", "pull", "-q", name)

        assert pushed.strip() == name
        assert pycompose("image", "ls", "-q", "--no-trunc").stdout.strip() == id
        assert debian.listing(layer_of(pycompose)) == tree.listing
    pycompose("image", "prune", "-af")

    pycompose("image", "load", "-i", "saved.tar")

    assert pycompose("image", "ls", "-q", "--no-trunc").stdout.strip() == id
    assert debian.listing(layer_of(pycompose)) == tree.listing
    assert os.listdir(pycompose.paths.images / "ingest") == []
