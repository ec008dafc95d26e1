"""What containers mount that outlives them, or comes from the host: named volumes, binds, secret
and config files.

Works on folders of our own and on host paths; mounting is the init's. Whatever a container could
have written is opened without following a link. Read named.py first.
"""
