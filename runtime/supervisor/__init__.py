"""The supervisor: one process per project while something of it runs; restarts, probes, logs,
events, requests.

It must not fork, and knows no Compose file. It reaches kernel and database through the `Machine` of
machine.py, and the containers' processes through the keeper. Read main.py first: it lists the
tasks, one per line.
"""
