"""The table of a network that projects share is every project's to make, and two may begin at once."""

import errno

import pytest

from runtime.linux import netlink_socket, nftables
from runtime.networks.firewall import FirewallState, ProjectFirewall, table_of
from tests.runtime.networks.stage import Namespace

pytestmark = pytest.mark.kernel

NAME = "pycompose-ab12-net-11111111"


@pytest.fixture
def host():
    namespace = Namespace("shared")
    yield namespace
    namespace.close()


def test_one_that_another_project_made_meanwhile_is_brought_to_the_same_state(host: Namespace):
    def make_both() -> int | None:
        ProjectFirewall(NAME).apply(FirewallState())
        # the other one looked before the first had made it
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nftables, "count_rules", lambda name: None)
            ProjectFirewall(NAME).apply(FirewallState())
        return nftables.count_rules(NAME)

    assert host.run(make_both) == table_of(NAME, FirewallState()).rule_count


def test_negative_control_to_make_it_again_is_refused(host: Namespace):
    def make_twice() -> int:
        batch = nftables.make_table(table_of(NAME, FirewallState()))
        netlink_socket.exchange(netlink_socket.NETFILTER, batch)
        with pytest.raises(netlink_socket.NetlinkError) as caught:
            netlink_socket.exchange(netlink_socket.NETFILTER, batch)
        return caught.value.errno

    assert host.run(make_twice) == errno.EEXIST
