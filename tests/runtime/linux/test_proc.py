"""Readers of /proc; the parsers on made-up text."""

from __future__ import annotations

import os

import pytest

from runtime.linux import proc
from runtime.linux.proc import CgroupLine, MountLine


def test_cgroups_of_a_hybrid_host():
    assert proc.parse_cgroups("9:name=systemd:/a:b\n1:cpu,cpuacct:/x\n0::/\n") == (
        CgroupLine(9, "name=systemd", "/a:b"),
        CgroupLine(1, "cpu,cpuacct", "/x"),
        CgroupLine(0, "", "/"),
    )


def test_a_mount_with_blanks_in_its_names():
    line = r"36 35 98:0 /a\040b /mnt\011x rw,noatime master:1 propagate_from:2 - ext3 /dev/r\134t rw,e=c"
    assert proc.parse_mountinfo(line) == (
        MountLine(
            id=36,
            parent=35,
            device="98:0",
            root="/a b",
            target="/mnt\tx",
            options=frozenset({"rw", "noatime"}),
            propagation=("master:1", "propagate_from:2"),
            kind="ext3",
            source="/dev/r\\t",
            data="rw,e=c",
        ),
    )


def test_a_mount_without_propagation():
    (mount,) = proc.parse_mountinfo("1 0 0:1 / / rw - rootfs rootfs rw")
    assert mount.propagation == ()


def test_the_own_files_can_be_read():
    assert proc.read_mountinfo()[0].kind
    assert proc.read_cgroups()


def test_the_magic_of_procfs():
    descriptor = os.open("/proc/self/stat", os.O_RDONLY)
    assert proc.filesystem_magic(descriptor) == proc.PROC_MAGIC
    os.close(descriptor)


@pytest.mark.kernel
def test_l45_a_trusted_procfs_is_nowhere_and_reads_the_kernel():
    before = proc.read_mountinfo()
    handle = proc.open_trusted()
    assert proc.read_mountinfo() == before
    descriptor = os.open("sys/kernel/ostype", os.O_RDONLY, dir_fd=handle)
    assert os.read(descriptor, 16) == b"Linux\n"
    os.close(descriptor)
    os.close(handle)


@pytest.mark.kernel
@pytest.mark.parametrize("path", ["self/comm", "../etc/passwd", "sys/../sys/kernel/ostype/.."])
def test_v04_nothing_leads_a_write_away(path: str):
    handle = proc.open_trusted()
    with pytest.raises(OSError):
        proc.write_trusted(handle, path, "x")
    os.close(handle)
