"""What a container takes of the machine, as far as it can be read from a text."""

from runtime.containers.usage import parse_network

DEVICES = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls
    lo:    1000      10    0    0    0     0          0         0     1000      10    0    0    0     0
  eth0:    1234      10    0    0    0     0          0         0       56       1    0    0    0     0
  eth1:       1       1    0    0    0     0          0         0        2       1    0    0    0     0
"""


def test_the_bytes_of_all_interfaces_but_the_loopback_are_added():
    assert parse_network(DEVICES) == (1235, 58)
    assert parse_network("") == (0, 0)
