"""The descriptors that must outlive the supervisor: log pipes, terminals, sockets of resolver and
ports.

A container's are closed at its exit whether there is a supervisor or not, for an open resolver
socket would keep a dead network namespace alive. Its output alone stays until it is released: it
may hold bytes that nobody has read yet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from runtime.messages import MAX_DESCRIPTORS, Held

OUTPUTS = ("stdout", "stderr", "pty")
ORDER = ("stdout", "stderr", "stdin", "pty", "resolver-udp", "resolver-tcp", "resolver-ask")
"""How they come along with Running."""


class Descriptors:
    """owner -> name -> descriptor. What is put in belongs to it."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, int]] = {}

    def hold(self, owner: str, names: Sequence[str], descriptors: Sequence[int]) -> None:
        """A name that is held already gets the new descriptor."""
        owned = self._held.setdefault(owner, {})
        for name, descriptor in zip(names, descriptors, strict=True):
            if name in owned:
                os.close(owned[name])
            owned[name] = descriptor

    def of(self, owner: str) -> Mapping[str, int]:
        return self._held.get(owner, {})

    def of_running(self, owner: str) -> tuple[tuple[str, ...], list[int]]:
        """Names and descriptors that a start gives out, in order."""
        owned = self.of(owner)
        names = tuple(name for name in ORDER if name in owned)
        return names, [owned[name] for name in names]

    def release(self, owner: str, names: Sequence[str] = ()) -> None:
        """Close them; all of the owner's when none is named. Closed ones are closed already."""
        owned = self._held.get(owner, {})
        for name in names or tuple(owned):
            if (descriptor := owned.pop(name, None)) is not None:
                os.close(descriptor)
        if not owned:
            self._held.pop(owner, None)

    def release_all_but_output(self, owner: str) -> None:
        if names := [name for name in self.of(owner) if name not in OUTPUTS]:
            self.release(owner, names)

    def batches(self) -> Iterator[tuple[Held, list[int]]]:
        """Everything, as messages that the kernel takes."""
        for owner, owned in self._held.items():
            names = tuple(owned)
            for begin in range(0, len(names), MAX_DESCRIPTORS):
                batch = names[begin : begin + MAX_DESCRIPTORS]
                yield Held(owner=owner, names=batch), [owned[name] for name in batch]
