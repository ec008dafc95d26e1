"""Isolation and privilege: what is more than a plain word in service.py.

Capabilities, security options, namespaces and sysctls are words and lists, declared in service.py.
Source: 15.5 of the Compose file reference.
"""

from __future__ import annotations

from compose.model.attribute import EMPTY, Extensions, attribute, attributes


@attributes
class CredentialSpec:
    """Credentials of a managed service account on Windows: exactly one of the three."""

    config: str = ""
    file: str = ""
    registry: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)
