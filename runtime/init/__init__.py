"""The container's first process until it executes the user's program, and how it is born.

launch.py is the parent's half (it runs in the keeper), everything else runs in the child: standard
library, `linux/` and `messages.py` only, all of it imported before the fork, for afterwards the
files are the container's (P09). Knows nothing of networks, images or projects: it carries out an
OCI document. Read sequence.py first.
"""
