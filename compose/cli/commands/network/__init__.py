"""Networks of this machine, those of no project too."""
