"""Digests as text: `sha256:` and 64 hex digits. Nothing else becomes a part of a path (V52)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from runtime.errors import RuntimeFault

_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+\Z")


class BadDigest(RuntimeFault):
    """A digest that is none, or content that does not have the digest it should have."""


class DamagedBlob(BadDigest):
    """A blob that was right when it came was changed on the disk since. It was removed."""


def check_digest(text: object) -> str:
    """The digest itself. Raises BadDigest for anything but lower-case sha256 or sha512."""
    if isinstance(text, str):
        algorithm, _, value = text.partition(":")
        if len(value) == _LENGTHS.get(algorithm) and _HEX.match(value):
            return text
    shown = "".join(letter if letter.isprintable() else "?" for letter in str(text)[:150])
    raise BadDigest(
        f"`{shown}` is no digest",
        code="E510",
        hint="a digest is `sha256:` and 64 lower-case hexadecimal digits",
    )


def is_digest(text: str) -> bool:
    try:
        check_digest(text)
    except BadDigest:
        return False
    return True


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def new_hash(digest: str = "sha256:") -> Any:
    """A hash object for the algorithm that the digest names."""
    return hashlib.new(digest.partition(":")[0])


def hex_of(digest: str) -> str:
    return digest.partition(":")[2]


def verify(what: str, *, expected: str, found: str) -> None:
    """Raises BadDigest when the content is another than was asked for."""
    if expected != found:
        raise BadDigest(
            f"{what} is not what it should be: its content has another digest",
            code="E511",
            tried=f"verify {expected}",
            answered=found,
            hint="it was damaged or replaced on the way; try again, and tell the registry's owner",
        )
