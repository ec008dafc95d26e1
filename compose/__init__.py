"""Compose files -> what should exist -> done. Knows no kernel. Read stack.py first."""
