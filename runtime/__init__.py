"""Images, containers, networks and volumes. Knows no Compose file. Read engine.py first: it is the
one door."""
