"""The machine, read."""

import os
import resource

import pytest

from runtime.cgroups import hierarchy
from runtime.containers import host_facts
from runtime.containers.spec.context import DeviceNode
from runtime.values import (
    BlkioOptions,
    ContainerOptions,
    Device,
    ThrottleDevice,
    WeightDevice,
)


def test_this_machine_is_read_whole():
    facts = host_facts.read_host_facts(hierarchy.detect())
    assert facts.hostname == os.uname().nodename
    assert facts.kernel >= (4, 0)
    assert len(facts.online_cpus) == os.sysconf("SC_NPROCESSORS_ONLN")
    assert facts.known_capabilities[0] == "CAP_CHOWN"
    assert facts.held_capabilities <= set(facts.known_capabilities)
    assert facts.hard_limits["nofile"] == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert set(facts.hard_limits) == {
        *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile"),
        *("nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
    }


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.1.0-13-amd64", (6, 1)), ("6.18.44-fc", (6, 18)), ("5.4-rc1", (5, 4)), ("7.0", (7, 0))],
)
def test_kernel_versions(release, version):
    assert host_facts.parse_kernel_version(release) == version


def nodes(*sources: str):
    options = ContainerOptions(
        project="p", name="c", devices=tuple(Device(source=name, target=name) for name in sources)
    )
    return host_facts.read_devices(options)


@pytest.mark.kernel
def test_a_device_is_found_behind_a_link_and_a_folder_is_all_below_it(tmp_path):
    os.mkdir(tmp_path / "folder")
    os.mknod(tmp_path / "folder/one", 0o20640, os.makedev(1, 3))
    os.chown(tmp_path / "folder/one", 5, 6)
    os.mknod(tmp_path / "folder/disk", 0o60600, os.makedev(8, 0))
    (tmp_path / "folder/plain").write_text("")
    (tmp_path / "folder/again").symlink_to("one")
    (tmp_path / "link").symlink_to("folder/one")
    folder, link, none = f"{tmp_path}/folder", f"{tmp_path}/link", f"{tmp_path}/none"
    one = DeviceNode(path=f"{folder}/one", type="c", major=1, minor=3, mode=0o640, uid=5, gid=6)
    disk = DeviceNode(path=f"{folder}/disk", type="b", major=8, minor=0, mode=0o600)
    assert nodes(folder, link, none, f"{folder}/plain") == {
        folder: (disk, one),
        link: (DeviceNode(path=link, type="c", major=1, minor=3, mode=0o640, uid=5, gid=6),),
    }
    blkio = BlkioOptions(
        weight_device=(WeightDevice(path=f"{folder}/disk", weight=10),),
        device_read_bps=(
            ThrottleDevice(path=f"{folder}/one", rate=1),
            ThrottleDevice(path=none, rate=1),
        ),
    )
    assert host_facts.read_block_devices(blkio) == {f"{folder}/disk": (8, 0)}


def test_privileged_gets_no_terminal_of_the_host():
    paths = [node.path for node in host_facts.read_host_devices()]
    assert "/dev/null" in paths
    assert not [path for path in paths if path == "/dev/console" or path.startswith("/dev/pts/")]


def test_nothing_is_read_for_nothing():
    assert host_facts.read_block_devices(None) == {}
