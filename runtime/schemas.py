"""The data files of `schemas/`: in a checkout `runtime/data` is a link to it, in a wheel its copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parent / "data"


def read_schema(name: str) -> dict[str, Any]:
    """The JSON object in the data file `name`. Raises FileNotFoundError when the installation is
    not whole."""
    document: dict[str, Any] = json.loads(read_data(name))
    return document


def read_data(name: str) -> bytes:
    """The data file `name`. Raises FileNotFoundError when the installation is not whole."""
    try:
        return (_FOLDER / name).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the data file `{name}` is missing from the installation"
        ) from None
