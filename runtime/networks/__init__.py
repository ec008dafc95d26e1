"""Bridges, addresses, names and published ports of containers.

It decides in pure modules (addresses.py, names.py, published.py, hosts_file.py, firewall.py) and
acts through linux/netlink.py and linux/nftables.py. It must not know Compose files, the database
or processes: records come in as values, leases go out as values. Read firewall.py first: it lists
every rule that we ever put into the kernel, with the reason.
"""
