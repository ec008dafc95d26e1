"""Where the data files are: beside the checkout's packages, or inside the installed package.

A wheel carries the files of `schemas/` as `runtime/data/`; a checkout reads `schemas/` at its top.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = (_PACKAGE / "data", _PACKAGE / "schemas", _PACKAGE.parent / "schemas")


def read_schema(name: str) -> dict[str, Any]:
    """The JSON object in the data file `name`. Raises FileNotFoundError when the installation is
    not whole."""
    document: dict[str, Any] = json.loads(read_data(name))
    return document


def read_data(name: str) -> bytes:
    """The data file `name`. Raises FileNotFoundError when the installation is not whole."""
    for folder in _FOLDERS:
        path = folder / name
        if path.is_file():
            return path.read_bytes()
    raise FileNotFoundError(f"the data file `{name}` is missing from the installation")
