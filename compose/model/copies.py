"""Where copies of remote files lie: `…/remote/ORIGIN/VERSION/`, one folder for each version of what
one address names.

Pure. A copy never changes, so a project that comes from a git repository has another folder after
each commit; its origin stays.
"""

from __future__ import annotations

import re

FOLDER = "remote"
_COPY = re.compile(rf"(/(?:.*?/)?{FOLDER}/[0-9a-f]{{16}})/([0-9a-f]{{40,64}})(?=/|\Z)")


def top_of(path: str) -> str:
    """The folder of the copy that a path lies in; "" for what was written here."""
    found = _COPY.match(path)
    return found[0] if found else ""


def origin_of(path: str) -> str:
    """The path without the version: equal for the same file of two commits. Another path is its
    own."""
    return _COPY.sub(r"\1", path, count=1)
