"""Images of this machine: list, pull, push, import, load, save, tag, remove."""
