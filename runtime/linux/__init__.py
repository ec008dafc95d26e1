"""The kernel as Python: no policy, no async; standard library but for netlink.py."""
