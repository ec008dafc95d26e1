"""Which namespaces are the container's own, and whose name it bears."""

import pytest

from runtime.errors import RuntimeFault

OTHER = "beef" * 16


def namespaces(build, **options) -> str:
    linux = build(**options).spec["linux"]
    return " ".join(
        entry["type"] + (f"={entry['path']}" if "path" in entry else "")
        for entry in linux["namespaces"]
    )


def refused(build, **options) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        build(**options)
    assert caught.value.code == "E314"
    return caught.value


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "mount pid network ipc uts cgroup"),
        ({"pid": "host"}, "mount network ipc uts cgroup"),
        ({"network_mode": "host"}, "mount pid ipc uts cgroup"),
        ({"network_mode": "none"}, "mount pid network ipc uts cgroup"),
        ({"ipc": "host"}, "mount pid network uts cgroup"),
        ({"ipc": "none"}, "mount pid network ipc uts cgroup"),
        ({"ipc": "shareable"}, "mount pid network ipc uts cgroup"),
        ({"uts": "host"}, "mount pid network ipc cgroup"),
        ({"cgroup": "host"}, "mount pid network ipc uts"),
        ({"cgroup": "private", "host": {"cgroup_version": 1}}, "mount pid network ipc uts cgroup"),
        ({"host": {"cgroup_version": 1}}, "mount pid network ipc uts"),
        ({"privileged": True}, "mount pid network ipc uts cgroup"),
    ],
)
def test_each_mode_takes_away_its_namespace(build, options, expected):
    """D30, and section 2.2: with v1 the host's view of cgroups is the default."""
    assert namespaces(build, **options) == expected


def test_namespaces_of_a_running_container_are_joined(build):
    joined = dict.fromkeys(("pid", "ipc", "uts", "network_mode"), f"container:{OTHER}")
    assert namespaces(build, **joined) == (
        "mount pid=/proc/4321/ns/pid network=/proc/4321/ns/net ipc=/proc/4321/ns/ipc"
        " uts=/proc/4321/ns/uts cgroup"
    )
    result = build(**joined)
    assert result.joined_namespaces == dict.fromkeys(("pid", "ipc", "uts", "network"), 4321)
    assert "hostname" not in result.spec


def test_a_container_that_does_not_run_cannot_be_joined(build):
    fault = refused(build, pid=f"container:{'dead' * 16}")
    assert str(fault) == "cannot join the pid namespace of container deaddeaddead: it does not run"


@pytest.mark.parametrize(
    "options",
    [
        {"pid": "shareable"},
        {"ipc": "container"},
        {"ipc": "container:"},
        {"uts": "none"},
        {"cgroup": f"container:{OTHER}"},
        {"network_mode": "bridge"},
        {"userns_mode": "private"},
        {"pid": "host:x"},
    ],
)
def test_a_word_that_is_no_mode_is_refused(build, options):
    refused(build, **options)


def hostname(build, **options) -> tuple[str | None, str]:
    spec = build(**options).spec
    variable = next(entry for entry in spec["process"]["env"] if entry.startswith("HOSTNAME="))
    return spec.get("hostname"), variable.removeprefix("HOSTNAME=")


def test_the_name_is_the_start_of_the_id_unless_it_is_somebodys(build):
    """D44, D30."""
    assert hostname(build) == ("c0ffee000000", "c0ffee000000")
    assert hostname(build, hostname="web") == ("web", "web")
    assert hostname(build, network_mode="host") == ("machine", "machine")
    assert hostname(build, network_mode="host", hostname="web") == ("web", "web")
    assert hostname(build, network_mode=f"container:{OTHER}") == ("other-host", "other-host")
    assert hostname(build, uts="host") == (None, "machine")


@pytest.mark.parametrize(
    "mode", [{"uts": "host"}, {"uts": f"container:{OTHER}"}, {"network_mode": f"container:{OTHER}"}]
)
def test_a_name_of_its_own_and_somebodys_names_exclude_each_other(build, mode):
    assert "exclude each other" in str(refused(build, hostname="web", **mode))


def test_a_domain_name_needs_names_of_its_own(build):
    assert "domainname" not in build(domainname="example.org", uts="host").spec
