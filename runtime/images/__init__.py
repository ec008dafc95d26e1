"""Images: what a container's root is made of, and where it comes from. Knows no container and no
Compose file. Read front.py first: the door that the engine uses.
"""
