"""Isolation and privilege: what is more than a plain word in service.py.

Capabilities, security options, namespaces and sysctls are words and lists, declared in service.py.
Source: 15.5 of the Compose file reference.
"""

from __future__ import annotations

import os
import re

from compose.model.attribute import EMPTY, Extensions, attribute, attributes


@attributes
class CredentialSpec:
    """Credentials of a managed service account on Windows: exactly one of the three."""

    config: str = ""
    file: str = ""
    registry: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)


def seccomp_file(entry: str, folder: str) -> str:
    """The file that a `security_opt` names as its profile, as a whole path; empty: it names none.

    Like every path of a file it begins at the project's folder.
    """
    match = re.fullmatch(r"\s*seccomp\s*[=:]\s*(.+?)\s*", entry, re.DOTALL)
    if match is None or match[1] in ("unconfined", "builtin", "default"):
        return ""
    return os.path.normpath(os.path.join(folder, match[1]))
