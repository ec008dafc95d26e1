"""Images of this machine: list, import, load, save, tag, remove."""
