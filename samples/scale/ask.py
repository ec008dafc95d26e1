"""Asks `web` until every replica has answered, and says how many there are."""

import os
import socket
import urllib.request

wanted = int(os.environ.get("REPLICAS", "3"))
addresses = {info[4][0] for info in socket.getaddrinfo("web", 8000, type=socket.SOCK_STREAM)}
print(f"web has {len(addresses)} addresses")
answers = set()
while len(answers) < wanted:
    answers.add(urllib.request.urlopen("http://web:8000").read())
print(f"{len(answers)} replicas answered")
