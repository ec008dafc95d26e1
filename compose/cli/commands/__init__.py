"""A file per command, a folder per group; the module docstring is the help text."""
