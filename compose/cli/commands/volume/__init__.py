"""Volumes of this machine, those of no project too."""
