"""`network create|ls|inspect|rm` on the real machine, in Docker's words."""

import json

import pytest

from tests.conftest import Pycompose

pytestmark = pytest.mark.kernel


def test_a_network_is_made_shown_used_by_two_projects_and_removed(pycompose: Pycompose):
    made = pycompose(
        *[
            "network",
            "create",
            "--subnet",
            "10.199.0.0/24",
            "--gateway",
            "10.199.0.9",
            "--ip-range",
            "10.199.0.128/25",
            "--aux-address",
            "printer=10.199.0.128",
            "--label",
            "team=blue",
            "-o",
            "com.docker.network.driver.mtu=1400",
            "--attachable",
            "shared",
        ]
    ).stdout.strip()
    assert pycompose("network", "ls").stdout.splitlines() == [
        "NETWORK ID     NAME      DRIVER    SCOPE",
        f"{made[:12]}   shared    bridge    local",
    ]
    (shown,) = json.loads(pycompose("network", "inspect", "shared").stdout)
    del shown["Created"]
    assert shown == {
        "Name": "shared",
        "Id": made,
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {
            "Driver": "default",
            "Options": None,
            "Config": [
                {
                    "Subnet": "10.199.0.0/24",
                    "IPRange": "10.199.0.128/25",
                    "AuxiliaryAddresses": {"printer": "10.199.0.128"},
                    "Gateway": "10.199.0.9",
                }
            ],
        },
        "Internal": False,
        "Attachable": True,
        "Containers": {},
        "Options": {"com.docker.network.driver.mtu": "1400"},
        "Labels": {"team": "blue"},
    }
    pycompose.compose_file(
        """
services:
  web: {image: host, command: [sleep, "1000"], hostname: "${NAME}", networks: [out]}
networks:
  out: {name: shared, external: true}
"""
    )
    for name in ("blue", "green"):
        pycompose("-p", name, "up", "-d", environment={"NAME": f"{name}-web"})
    for asker, asked, address in (("blue", "green", 130), ("green", "blue", 129)):
        script = f"getent hosts {asked}-web; cat /sys/class/net/eth0/mtu"
        said = pycompose("-p", asker, "exec", "-T", "web", "sh", "-c", script).stdout.split()
        assert said == [f"10.199.0.{address}", f"{asked}-web", "1400"]
    refused = pycompose("network", "rm", "shared", check=False)
    assert (refused.returncode, refused.stderr) == (
        1,
        "error E308: network shared has active endpoints\n"
        "tried:    remove network shared\n"
        "answered: used by blue-web-1, green-web-1\n"
        "hint: remove blue-web-1, green-web-1 first\n",
    )
    for name in ("blue", "green"):
        # an external network is nobody's to remove
        assert "Network" not in pycompose("-p", name, "down", "-t", "0").stderr
    removed = pycompose("network", "rm", "nowhere", "shared", check=False)
    assert (removed.returncode, removed.stdout) == (1, "shared\n")
    assert removed.stderr == "error E317: network nowhere not found\n"
    assert pycompose("network", "rm", "-f", "nowhere").stderr == ""
    assert pycompose("network", "ls", "-q").stdout == ""


def test_what_is_there_is_shown_and_what_is_missing_is_reported(pycompose: Pycompose):
    made = pycompose("network", "create", "shared").stdout.strip()
    asked = pycompose("network", "inspect", "none", "-f", "{{.Name}}", "shared", "nix", check=False)
    assert (asked.returncode, asked.stdout, asked.stderr) == (
        1,
        "shared\n",
        "error E317: network none not found\nerror E317: network nix not found\n",
    )
    nothing = pycompose("network", "inspect", "none", check=False)
    assert (nothing.returncode, nothing.stdout) == (1, "[]\n")
    # by its id, too, or by what it begins with
    assert pycompose("network", "inspect", "-f", "{{.Id}}", made[:12]).stdout == f"{made}\n"
    assert pycompose("network", "rm", made).stdout == f"{made}\n"
    assert pycompose("network", "ls", "-q").stdout == ""


def test_networks_that_nobody_uses_are_pruned(pycompose: Pycompose):
    for name, label in (("old", "keep=no"), ("kept", "keep=yes"), ("used", "keep=no")):
        pycompose("network", "create", "--label", label, name)
    pycompose.compose_file(
        """
services:
  web: {image: host, command: [sleep, "1000"], networks: [out]}
networks:
  out: {name: used, external: true}
"""
    )
    pycompose("up", "-d")
    assert pycompose("network", "prune", stdin="n\n").stdout == ""
    pruned = pycompose("network", "prune", "-f", "--filter", "label!=keep=yes")
    assert pruned.stdout == "Deleted Networks:\nold\n"
    assert pycompose("network", "ls", "--format", "{{.Name}}").stdout == "kept\nused\n"
    pycompose("down", "-t", "0")
    pycompose("network", "prune", "-f")
    assert pycompose("network", "ls", "-q").stdout == ""


def test_what_is_said_of_addresses_belongs_to_the_subnet_that_holds_them(pycompose: Pycompose):
    words = "--ipv6 --subnet 10.199.0.0/24 --subnet fd00:199::/64 --gateway fd00:199::9"
    pycompose("network", "create", *words.split(), "--aux-address", "a=10.199.0.7", "both")
    (shown,) = json.loads(pycompose("network", "inspect", "both").stdout)
    assert shown["IPAM"]["Config"] == [
        {
            "Subnet": "10.199.0.0/24",
            "AuxiliaryAddresses": {"a": "10.199.0.7"},
            "Gateway": "10.199.0.1",
        },
        {"Subnet": "fd00:199::/64", "Gateway": "fd00:199::9"},
    ]
    pycompose("network", "rm", "both")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            "--subnet 10.199.0.0/24 --subnet 10.199.1.0/24 --gateway 10.198.0.1 one",
            "no matching subnet for gateway 10.198.0.1\n",
        ),
        (
            "--subnet 10.197.0.0/24 --subnet 10.197.1.0/24 one",
            "error E622: network one: a bridge network has one IPv4 subnet\n"
            "tried:    subnets 10.197.0.0/24, 10.197.1.0/24\nhint: make a network for each\n",
        ),
        ("--ingress one", "--ingress is for clusters: networks here are of one machine\n"),
        ("--scope swarm x", "--scope swarm is for clusters: networks here are of one machine\n"),
        (
            "--config-only one",
            "--config-only and --config-from are not there: give each network its options\n",
        ),
        (
            "--ipam-driver dhcp one",
            "there is no driver `dhcp` for addresses, only `default`\n",
        ),
        (
            "--driver macvlan one",
            "error E635: network one: there is no network driver `macvlan`, only `bridge`\n"
            "hint: leave the driver out\n",
        ),
        (
            "--subnet 10.197.0.0/24 --gateway 10.198.0.1 one",
            "error E622: network one: gateway `10.198.0.1` does not fit\n"
            "answered: outside of subnet 10.197.0.0/24\nhint: see `ipam` of the network\n",
        ),
        (
            "--subnet 10.198.0.0/24 first",
            "error E304: network with name first already exists\n",
        ),
        (
            "--subnet 10.199.7.0/24 one",
            "error E621: network one: pool overlaps with other one on this address space\n"
            "tried:    subnet 10.199.7.0/24\nanswered: network first has 10.199.0.0/21\n"
            "hint: choose another subnet, or leave it out and a free one is found\n",
        ),
    ],
)
def test_a_network_that_cannot_be_is_refused(pycompose: Pycompose, words: str, error: str):
    pycompose("network", "create", "--subnet", "10.199.0.0/21", "first")
    refused = pycompose("network", "create", *words.split(), check=False)
    pycompose("network", "rm", "first")
    assert (refused.returncode, refused.stderr) == (1, error)


def test_a_network_without_a_name_is_refused(pycompose: Pycompose):
    for name in ("", " "):
        refused = pycompose("network", "create", name, check=False)
        assert (refused.returncode, refused.stderr.splitlines()[0]) == (
            1,
            "a network needs a name",
        )
    assert pycompose("network", "ls", "-q").stdout == ""
