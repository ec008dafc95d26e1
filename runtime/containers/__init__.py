"""What a container is, and its life. Read lifecycle.py first."""
