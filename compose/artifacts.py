"""Compose projects in registries: the loader's way to the engine's registry client.

The loader knows no engine, so who loads hands this in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compose.errors import ComposeError
from compose.loading.remote import Remote


def open_remote(environment: Mapping[str, str]) -> Remote:
    """What fetches remote files, registries included."""
    return Remote(environment, Artifacts())


class Artifacts:
    """See compose.loading.remote.Registry."""

    def find_digest(self, reference: str, *, seconds: float) -> str:
        """Raises ComposeError."""
        from runtime.engine import Engine
        from runtime.errors import RuntimeFault

        try:
            return Engine.find_artifact_digest(reference, seconds=seconds)
        except RuntimeFault as fault:
            raise _told(fault) from fault

    def fetch(self, reference: str, *, limit: int, seconds: float) -> Any:
        """Raises ComposeError."""
        from compose.loading.artifact import EMPTY_CONFIG, PROJECT
        from runtime.engine import Engine
        from runtime.errors import RuntimeFault

        try:
            return Engine.fetch_artifact(
                reference,
                type=PROJECT,
                config_type=EMPTY_CONFIG,
                limit=limit,
                seconds=seconds,
            )
        except RuntimeFault as fault:
            raise _told(fault) from fault


def _told(fault: Any) -> ComposeError:
    message = ": ".join(filter(None, (fault.message, fault.answered)))
    return ComposeError(message, code=fault.code, hint=fault.hint)
