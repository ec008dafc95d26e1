"""Compose files -> Project. Pure after the bytes are read.

Knows no engine and no command line. Read pipeline.py first: it lists the stages in order.
"""
