"""A FORWARD chain of another program with policy drop (Docker's, ufw's) is named with what helps."""

import subprocess
from collections.abc import Iterator

import pytest

from runtime.linux import nftables
from runtime.networks.firewall import describe_foreign_drops
from tests.runtime.networks.stage import Stage

pytestmark = pytest.mark.kernel


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def nft(stage: Stage, text: str) -> None:
    stage.host.command("nft", text)


def test_a_chain_that_drops_is_named_with_the_rules_until_they_are_there(stage: Stage):
    nft(stage, "add table ip filter")
    nft(stage, "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }")
    said = stage.host.run(lambda: describe_foreign_drops("ab12"))
    assert said == (
        "the firewall of another program drops forwarded packets by policy (chain"
        " `ip filter FORWARD`): containers may reach neither the outside nor each other's"
        " published ports; this helps:"
        ' `nft insert rule ip filter FORWARD iifname "pcab12*" accept` and'
        ' `nft insert rule ip filter FORWARD oifname "pcab12*" accept`'
    )
    for rule in said.split("`")[3::2]:
        nft(stage, rule.removeprefix("nft "))
    assert stage.host.run(lambda: describe_foreign_drops("ab12")) == ""


def test_chains_that_accept_and_tables_of_other_roots_are_no_reason_to_warn(stage: Stage):
    for table in ("filter", "pycompose-cd34-beef0000"):
        policy = "drop" if table.startswith("pycompose") else "accept"
        nft(stage, f"add table inet {table}")
        chain = f"{{ type filter hook forward priority 0; policy {policy}; }}"
        nft(stage, f"add chain inet {table} forward {chain}")
    assert stage.host.run(lambda: describe_foreign_drops("ab12")) == ""


def test_the_older_iptables_is_asked_as_well(stage: Stage):
    for program in ("iptables", "ip6tables"):
        stage.host.command(f"{program}-legacy", "-A", "FORWARD", "-i", "docker0", "-j", "ACCEPT")
    assert stage.host.run(lambda: describe_foreign_drops("ab12")) == ""
    for program in ("iptables", "ip6tables"):
        stage.host.command(f"{program}-legacy", "-P", "FORWARD", "DROP")
    said = stage.host.run(lambda: describe_foreign_drops("ab12"))
    assert "(chain `iptables FORWARD`, `ip6tables FORWARD`)" in said
    rules = said.split("this helps: ")[1].split("`")[1::2]
    assert rules[0] == "iptables-legacy -I FORWARD -i pcab12+ -j ACCEPT"
    for rule in rules:
        stage.host.command(*rule.split())
    assert stage.host.run(lambda: describe_foreign_drops("ab12")) == ""


def test_notices_name_the_tables_that_lost_something(stage: Stage):
    def listen() -> tuple[set[str] | None, ...]:
        with nftables.open_notices() as notices:
            run("add table inet one; add chain inet one a; add table inet two")
            nothing = nftables.read_removals(notices)
            run("add rule inet one a accept; flush chain inet one a; delete table inet two")
            some = nftables.read_removals(notices)
            run("flush ruleset")
            return nothing, some, nftables.read_removals(notices)

    def run(text: str) -> None:
        subprocess.run(["nft", text], check=True)

    assert stage.host.run(listen) == (set(), {"one", "two"}, {"one"})
