"""Capabilities, security_opt, hidden paths, sysctls."""

import pytest

from runtime.errors import RuntimeFault

from .conftest import HOST

DEFAULT = (
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP"
    " SETGID SETPCAP SETUID SYS_CHROOT"
)
EVERY = " ".join(sorted(name.removeprefix("CAP_") for name in HOST.known_capabilities))


def capabilities(build, **options) -> str:
    sets = build(**options).spec["process"]["capabilities"]
    assert sets["bounding"] == sets["effective"] == sets["permitted"]
    assert set(sets) == {"bounding", "effective", "permitted"}
    return " ".join(sorted(name.removeprefix("CAP_") for name in sets["bounding"]))


def refused(build, **options) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        build(**options)
    assert caught.value.code == "E307"
    return caught.value


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ((), (), DEFAULT),
        (("ALL",), (), EVERY),
        (("all",), ("chown", "CAP_KILL"), EVERY.replace("CHOWN ", "").replace("KILL ", "")),
        ((), ("ALL",), ""),
        (("net_admin", "Cap_Chown"), ("all",), "CHOWN NET_ADMIN"),
        (("ALL",), ("ALL",), EVERY),
        ((), ("MKNOD", "NET_RAW"), DEFAULT.replace("MKNOD ", "").replace("NET_RAW ", "")),
        (("KILL",), ("KILL",), DEFAULT),
        (("SYS_TIME", "SYS_TIME"), (), DEFAULT + " SYS_TIME"),
    ],
)
def test_what_is_added_and_dropped(build, add, drop, expected):
    """D02."""
    assert capabilities(build, cap_add=add, cap_drop=drop) == expected


def test_the_default_is_dockers_mask(build):
    """D01."""
    bounding = build().spec["process"]["capabilities"]["bounding"]
    numbers = [HOST.known_capabilities.index(name) for name in bounding]
    assert sum(1 << number for number in numbers) == 0x00000000A80425FB


def test_a_name_that_the_kernel_does_not_know_is_refused(build):
    assert str(refused(build, cap_add=("SYS_MAGIC",))) == (
        "`cap_add: SYS_MAGIC` is no capability of this kernel"
    )
    refused(build, cap_drop=("SYS_MAGIC",))


def test_privileged_has_all_that_the_engine_has_itself(build):
    assert capabilities(build, privileged=True, cap_drop=("ALL",)) == EVERY


def test_nobody_gets_what_the_engine_lacks(build):
    """Section 0: a warning, where another runtime dies."""
    held = HOST.held_capabilities - {"CAP_SYS_RESOURCE", "CAP_SYS_TIME"}
    result = build(cap_add=("SYS_TIME",), host={"held_capabilities": held})
    assert "CAP_SYS_TIME" not in result.spec["process"]["capabilities"]["bounding"]
    assert result.warnings == (
        "the engine lacks CAP_SYS_TIME itself, so the container goes without",
    )
    result = build(privileged=True, host={"held_capabilities": held})
    assert result.warnings == (
        "the engine lacks CAP_SYS_RESOURCE, CAP_SYS_TIME itself, so the container goes without",
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("no-new-privileges", True),
        ("no-new-privileges:true", True),
        ("no-new-privileges=true", True),
        ("no-new-privileges:false", False),
        ("label=disable", False),
        ("label:disable", False),
        ("apparmor:unconfined", False),
    ],
)
def test_words_of_security_opt(build, entry, expected):
    result = build(security_opt=(entry,))
    assert result.spec["process"]["noNewPrivileges"] is expected
    assert result.warnings == ()


@pytest.mark.parametrize(
    ("options", "seccomp"),
    [
        ({}, "default"),
        ({"security_opt": ("seccomp=unconfined",)}, "unconfined"),
        ({"security_opt": ("seccomp:/etc/profile=1.json",)}, "/etc/profile=1.json"),
        ({"security_opt": ("seccomp=builtin",)}, "default"),
        ({"privileged": True}, "unconfined"),
        ({"privileged": True, "security_opt": ("seccomp=/p.json",)}, "/p.json"),
    ],
)
def test_which_seccomp_profile_holds(build, options, seccomp):
    """D03."""
    assert build(**options).seccomp == seccomp


@pytest.mark.parametrize(
    "entry",
    [
        "no-new-privilege",
        "no-new-privileges:maybe",
        "seccomp=",
        "seccomp",
        "label=type:container_t",
        "systempaths=confined",
        "",
        "credentialspec=file://x",
    ],
)
def test_what_is_not_understood_is_an_error_and_never_ignored(build, entry):
    refused(build, security_opt=(entry,))


def test_a_profile_that_cannot_be_applied_is_an_error(build):
    fault = refused(build, security_opt=("apparmor=mine",))
    assert str(fault) == "`security_opt: apparmor=mine` cannot be honoured"
    assert fault.answered == "containers run without AppArmor profiles and SELinux labels"


def hidden(build, **options):
    linux = build(**options).spec["linux"]
    return linux["maskedPaths"], linux["readonlyPaths"]


def test_paths_are_hidden_unless_somebody_asked_to_see_them(build):
    """D20, D03."""
    masked, read_only = hidden(build)
    assert "/proc/kcore" in masked
    assert "/proc/sys" in read_only
    assert hidden(build, privileged=True) == ([], [])
    assert hidden(build, security_opt=("systempaths=unconfined",)) == ([], [])


def test_each_cpu_that_tells_its_temperature_is_hidden(build):
    """V18."""
    masked, _ = hidden(build, host={"throttled_cpus": (0, 3)})
    assert masked[-2:] == [
        "/sys/devices/system/cpu/cpu0/thermal_throttle",
        "/sys/devices/system/cpu/cpu3/thermal_throttle",
    ]


def sysctls(build, wanted=None, **options):
    return build(sysctls=wanted or {}, **options).spec["linux"]["sysctl"]


def test_default_sysctls_are_set_where_they_exist_and_the_network_is_private(build):
    """D31."""
    assert sysctls(build) == {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": "0 2147483647",
    }
    assert sysctls(build, host={"sysctls": frozenset()}) == {}
    assert sysctls(build, network_mode="host") == {}
    assert sysctls(build, network_mode="none") != {}


def test_own_sysctls_win_and_may_be_written_with_slashes(build):
    """L53."""
    wanted = {
        "net/ipv4/ip_unprivileged_port_start": "1024",
        "net/ipv4/conf/eth0.100/rp_filter": "1",
        "net.ipv4.conf.eth0/200.rp_filter": "2",
        "kernel.shmmax": "1",
        "fs.mqueue.msg_max": "5",
        "kernel.domainname": "example",
    }
    assert sysctls(build, wanted) == {
        "net.ipv4.ip_unprivileged_port_start": "1024",
        "net.ipv4.ping_group_range": "0 2147483647",
        "net.ipv4.conf.eth0/100.rp_filter": "1",
        "net.ipv4.conf.eth0/200.rp_filter": "2",
        "kernel.shmmax": "1",
        "fs.mqueue.msg_max": "5",
        "kernel.domainname": "example",
    }


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("vm.swappiness", {}, "it is not in a namespace: it would change the whole machine"),
        ("kernel.core_pattern", {}, "it is not in a namespace: it would change the whole machine"),
        ("kernel/core_pattern", {}, "it is not in a namespace: it would change the whole machine"),
        (
            "user.max_user_namespaces",
            {},
            "it is not in a namespace: it would change the whole machine",
        ),
        ("kernel.hostname", {}, "`hostname` sets it"),
        (
            "net.core.somaxconn",
            {"network_mode": "host"},
            "it would change the network that the container shares",
        ),
        (
            "kernel.shmmax",
            {"ipc": "host"},
            "it would change the IPC namespace that the container shares",
        ),
        (
            "kernel.domainname",
            {"uts": "host"},
            "it would change the names that the container shares",
        ),
    ],
)
def test_a_sysctl_that_reaches_beyond_the_container_is_refused(build, name, options, why):
    fault = refused(build, sysctls={name: "1"}, **options)
    assert str(fault) == f"`sysctls.{name}` cannot be set for a container"
    assert fault.answered == why
