"""Mounts: defaults and what replaces them, order, options, and what cannot be mounted."""

import pytest

from runtime.errors import RuntimeFault
from runtime.values import FileMount, Mount

OTHER = "beef" * 16


def mounts(build, *wanted: Mount, context=None, **options) -> dict[str, dict]:
    """Destination -> the rest of the entry, in order."""
    entries = build(mounts=wanted, context=context, **options).spec["mounts"]
    return {entry["destination"]: entry for entry in entries}


def words(build, mount: Mount, **options) -> list[str]:
    return mounts(build, mount, **options)[mount.target]["options"]


def refused(build, *wanted: Mount, code="E311", **options) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        build(mounts=wanted, **options)
    assert caught.value.code == code
    return caught.value


def bind(target="/app", source="/src", **more) -> Mount:
    return Mount(type="bind", source=source, target=target, **more)


def tmpfs(target="/run", **more) -> Mount:
    return Mount(type="tmpfs", target=target, **more)


def test_parents_stand_before_their_children(build):
    """L23."""
    wanted = (bind("/a/b/c"), tmpfs("/a"), bind("/a/b"), tmpfs("/z"))
    made = list(mounts(build, *wanted, files=(FileMount(target="/run/secrets/key", content=""),)))
    assert made[:7] == [
        "/proc",
        "/dev",
        "/dev/pts",
        "/sys",
        "/sys/fs/cgroup",
        "/dev/mqueue",
        "/dev/shm",
    ]
    assert made[7:] == [
        "/a",
        "/z",
        "/a/b",
        "/etc/resolv.conf",
        "/etc/hostname",
        "/etc/hosts",
        "/a/b/c",
        "/run/secrets/key",
    ]


def test_a_mount_replaces_the_default_of_the_same_target(build):
    made = mounts(
        build, tmpfs("/dev/shm", size=5), bind("/etc/hosts", "/my/hosts"), bind("/sys", "/sys")
    )
    assert made["/dev/shm"]["options"] == ["noexec", "nosuid", "nodev", "rprivate", "size=5"]
    assert made["/etc/hosts"]["source"] == "/my/hosts"
    assert made["/sys"]["type"] == "bind"
    assert len(made) == 10


def test_a_dev_of_the_users_own_is_left_as_it_is(build):
    """L32."""
    result = build(mounts=(bind("/dev", "/dev"),), privileged=True)
    targets = [entry["destination"] for entry in result.spec["mounts"]]
    assert [target for target in targets if target.startswith("/dev")] == ["/dev"]
    assert result.spec["linux"]["devices"] == []


def test_targets_are_made_plain(build):
    assert list(mounts(build, bind("/a//b/../c/./d/")))[-1] == "/a/c/d"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("app", "the mount target `app` is not an absolute path"),
        ("/", "nothing can be mounted on the container's `/`"),
        ("/a/..", "nothing can be mounted on the container's `/`"),
        ("/proc", "nothing can be mounted on `/proc`"),
        ("/a/../proc/sys", "nothing can be mounted on `/proc/sys`"),
    ],
)
def test_places_that_nothing_can_be_mounted_on(build, target, message):
    """L30."""
    assert str(refused(build, bind(target))) == message


def test_files_of_proc_that_lxcfs_stands_in_for_can_be_mounted(build):
    assert "/proc/meminfo" in mounts(build, bind("/proc/meminfo"))


def test_one_target_is_mounted_once(build):
    assert str(refused(build, bind("/a"), tmpfs("/a/"))) == "two mounts have the target `/a`"


def test_what_volumes_from_and_the_image_bring_makes_way_for_the_containers_own(build):
    context = {
        "inherited": (bind("/a", "/theirs"), bind("/b", "/theirs")),
        "anonymous": {"/b": "p_data", "/c": "p_data"},
    }
    made = mounts(build, bind("/a", "/mine"), context=context)
    sources = {target: made[target]["source"] for target in ("/a", "/b", "/c")}
    assert sources == {"/a": "/mine", "/b": "/theirs", "/c": "/data/volumes/p_data/1"}


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        (bind(), ["rbind", "rw", "rprivate"]),
        (bind(read_only=True), ["rbind", "ro", "rro", "rprivate"]),
        (bind(read_only=True, recursive="enabled"), ["rbind", "ro", "rro", "rprivate"]),
        (bind(read_only=True, recursive="writable"), ["rbind", "ro", "rprivate"]),
        (bind(read_only=True, recursive="disabled"), ["bind", "ro", "rprivate"]),
        (bind(read_only=True, recursive="readonly"), ["rbind", "ro", "rro", "rprivate"]),
        (bind(recursive="disabled"), ["bind", "rw", "rprivate"]),
        (bind(propagation="private"), ["rbind", "rw", "private"]),
        (bind(source="/shared", propagation="rshared"), ["rbind", "rw", "rshared"]),
        (bind(source="/slave", propagation="slave"), ["rbind", "rw", "slave"]),
    ],
)
def test_a_bind_says_how_deep_it_goes_and_who_sees_it(build, mount, expected):
    """L26, L27."""
    assert words(build, mount) == expected


def test_an_old_kernel_makes_the_top_read_only_and_says_so_when_that_is_not_enough(build):
    old = {"kernel": (5, 11)}
    assert words(build, bind(read_only=True), host=old) == ["rbind", "ro", "rprivate"]
    fault = refused(build, bind(read_only=True, recursive="readonly"), host=old)
    assert fault.answered == "this kernel is older than 5.12"


def test_what_the_host_does_not_share_cannot_be_shared(build):
    """L28."""
    fault = refused(build, bind(propagation="shared"))
    assert str(fault) == "`/src` cannot be mounted with propagation `shared`"
    assert fault.answered == "on the host it lies on a mount that is not shared"
    assert "not shared or slave" in refused(build, bind(propagation="rslave")).answered
    refused(build, bind(source="/slave", propagation="shared"))
    refused(build, bind(propagation="sideways"))


def test_the_root_propagates_as_far_as_a_mount_needs_it(build):
    def root(*wanted):
        return build(mounts=wanted).spec["linux"].get("rootfsPropagation")

    assert root(bind()) is None
    assert root(bind(source="/slave", propagation="rslave")) == "rslave"
    assert (
        root(
            bind("/a", source="/slave", propagation="rslave"),
            bind("/b", source="/shared", propagation="rshared"),
        )
        == "shared"
    )


def test_a_volume_is_its_folder_or_what_its_driver_options_say(build):
    volume = Mount(type="volume", source="p_data", target="/v", read_only=True, subpath="sub/dir")
    assert mounts(build, volume)["/v"] == {
        "destination": "/v",
        "type": "bind",
        "source": "/data/volumes/p_data/1",
        "options": ["rbind", "ro", "rro", "rprivate"],
        "subpath": "sub/dir",
    }
    ram = Mount(type="volume", source="p_ram", target="/v", read_only=True)
    assert mounts(build, ram)["/v"] == {
        "destination": "/v",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["size=1m", "ro"],
    }
    refused(build, Mount(type="volume", source="p_ram", target="/v", subpath="x"))
    refused(build, Mount(type="volume", source="p_none", target="/v"))


def test_an_anonymous_volume_is_found_by_its_target(build):
    made = mounts(build, Mount(type="volume", target="/v"), context={"anonymous": {"/v": "p_data"}})
    assert made["/v"]["source"] == "/data/volumes/p_data/1"


def test_an_image_is_mounted_read_only(build):
    tools = Mount(type="image", source="tools", target="/t")
    assert mounts(build, tools)["/t"]["options"] == ["rbind", "ro", "rro", "rprivate"]
    layers = {"image_layers": {"tools": ("/layers/2", "/layers/1")}}
    inner = Mount(type="image", source="tools", target="/t", subpath="x")
    assert mounts(build, inner, context=layers)["/t"] == {
        "destination": "/t",
        "type": "bind",
        "source": "tools",
        "layers": ["/layers/2", "/layers/1"],
        "options": ["rbind", "ro", "rro", "rprivate"],
        "subpath": "x",
    }
    refused(build, Mount(type="image", source="absent", target="/t"))


def test_a_type_that_does_not_exist_here_is_refused(build):
    assert "`npipe`" in str(refused(build, Mount(type="npipe", target="/x")))


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        (tmpfs(), ["noexec", "nosuid", "nodev", "rprivate"]),
        (
            tmpfs(size=100, mode=0o1770, uid=5, gid=6, read_only=True),
            [
                "noexec",
                "nosuid",
                "nodev",
                "rprivate",
                "ro",
                "size=100",
                "mode=1770",
                "uid=5",
                "gid=6",
            ],
        ),
        (tmpfs(options=("exec", "size=1m")), ["nosuid", "nodev", "rprivate", "exec", "size=1m"]),
        (
            tmpfs(options=("size=1m", "size=2m")),
            ["noexec", "nosuid", "nodev", "rprivate", "size=2m"],
        ),
        (tmpfs(options=("ro", "rw", "suid")), ["noexec", "nodev", "rprivate", "rw", "suid"]),
        (tmpfs(options=("rshared",)), ["noexec", "nosuid", "nodev", "rshared"]),
    ],
)
def test_a_later_word_of_a_tmpfs_puts_its_opposite_out(build, mount, expected):
    """L29."""
    assert words(build, mount) == expected


@pytest.mark.parametrize("word", ["sized=1m", "size=", "bind", "upperdir=/etc"])
def test_a_word_that_tmpfs_does_not_know_is_refused(build, word):
    fault = refused(build, tmpfs(options=(word,)))
    assert str(fault) == f"`{word}` is no option of a tmpfs"


def test_a_read_only_root_leaves_writable_what_programs_need(build):
    made = mounts(build, tmpfs("/cache"), read_only=True)
    assert [target for target, entry in made.items() if "ro" in entry["options"]] == [
        "/sys",
        "/sys/fs/cgroup",
        "/etc/resolv.conf",
        "/etc/hostname",
        "/etc/hosts",
    ]


def test_privileged_may_write_sys_and_its_cgroups(build):
    """D03."""
    made = mounts(build, privileged=True)
    assert [target for target, entry in made.items() if "ro" in entry["options"]] == []
    made = mounts(build, security_opt=("writable-cgroups=true",))
    assert [target for target, entry in made.items() if "ro" in entry["options"]] == ["/sys"]


def shm(build, **options):
    return mounts(build, **options).get("/dev/shm")


def test_shared_memory_goes_with_the_ipc_namespace(build):
    assert shm(build, ipc="none") is None
    assert shm(build, ipc="shareable")["source"] == "/run/shm/c0ffee"
    assert shm(build, ipc=f"container:{OTHER}")["source"] == "/run/shm/c0ffee"
    assert shm(build, ipc="host")["source"] == "/dev/shm"
    fault = refused(build, ipc=f"container:{OTHER}", context={"shm_folder": ""})
    assert fault.hint == "give it `ipc: shareable`"


def test_shared_memory_can_be_a_mount_of_the_users_own(build):
    assert mounts(build, tmpfs("/dev/shm"), ipc="host")["/dev/shm"]["type"] == "tmpfs"


def test_files_that_are_not_given_are_not_mounted(build):
    context = {"hosts_file": "", "resolv_file": "", "hostname_file": ""}
    assert not [target for target in mounts(build, context=context) if target.startswith("/etc")]
