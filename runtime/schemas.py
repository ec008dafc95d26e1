"""The data files of `schemas/`: in a checkout `runtime/data` is a link there, in a wheel a copy."""

from __future__ import annotations

import os
from typing import Any

_FOLDER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "data")


def read_schema(name: str) -> dict[str, Any]:
    """The JSON object in the data file `name`. Raises FileNotFoundError when the installation is
    not whole."""
    import json  # a file whose verdict is known needs the bytes alone

    document: dict[str, Any] = json.loads(read_data(name))
    return document


def path_of(name: str) -> str:
    """Where the data file `name` is."""
    return os.path.join(_FOLDER, name)


def read_data(name: str) -> bytes:
    """The data file `name`. Raises FileNotFoundError when the installation is not whole."""
    try:
        with open(path_of(name), "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the data file `{name}` is missing from the installation"
        ) from None
