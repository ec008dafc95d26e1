"""Names of images as Docker reads them: `nginx`, `ghcr.io/owner/app:1.2@sha256:...`. Pure.

Source: the grammar of the distribution project, and Docker's short names: no dot, colon or
`localhost` before the first slash means Docker Hub, and there no slash at all means `library/`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from runtime.errors import RuntimeFault
from runtime.images import digests

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
MAX_NAME = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?\Z")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_ID = re.compile(r"[0-9a-f]{64}\Z")


class BadReference(RuntimeFault):
    """What stands after `image:` names no image."""

    def __init__(self, text: str, problem: str, *, hint: str = "") -> None:
        super().__init__(
            f"invalid image name `{_printable(text)}`: {_printable(problem)}",
            code="E503",
            hint=hint or _FORM,
        )


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:300])


_FORM = "the form is [REGISTRY[:PORT]/]NAME[:TAG][@sha256:DIGEST]"


class Reference(NamedTuple):
    """A name with everything that Docker leaves out written out."""

    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        """The canonical form: `docker.io/library/nginx:1.27`."""
        return self._with(self.repository)

    @property
    def repository(self) -> str:
        """Without tag and digest: `docker.io/library/nginx`."""
        return f"{self.registry}/{self.path}"

    @property
    def familiar(self) -> str:
        """As people write it: `nginx:1.27`."""
        return self._with(self.familiar_repository)

    @property
    def familiar_repository(self) -> str:
        if self.registry != DEFAULT_REGISTRY:
            return self.repository
        official, _, name = self.path.partition("/")
        # `library/a/b` would be read as another name without its first part
        return name if official == "library" and name and "/" not in name else self.path

    @property
    def with_tag(self) -> Reference:
        """`latest` where neither tag nor digest is given."""
        return self if self.tag or self.digest else self._replace(tag=DEFAULT_TAG)

    def _with(self, name: str) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{name}{tag}@{self.digest}" if self.digest else f"{name}{tag}"


def parse_reference(text: str) -> Reference:
    """Raises BadReference, with what is wrong and, for upper case, the name that may be meant."""
    if not text:
        raise BadReference(text, "it is empty")
    if _ID.match(text):
        raise BadReference(text, "64 hexadecimal digits are an image id, not a name")
    name, digest = _split_digest(text)
    name, tag = _split_tag(name, text)
    registry, path = _split_registry(name)
    if not _REGISTRY.match(registry):
        raise BadReference(text, f"`{registry}` is no registry's host")
    reference = Reference(registry, path, tag, digest)
    if not _PATH.match(path):
        raise _bad_path(text, reference)
    if len(reference.repository) > MAX_NAME:
        raise BadReference(text, f"the name has more than {MAX_NAME} characters")
    return reference


def is_registry(host: str) -> bool:
    """Whether the text can stand before a reference's first slash and means a host."""
    return bool(_REGISTRY.match(host))


def is_tag(text: object) -> bool:
    return isinstance(text, str) and bool(_TAG.match(text))


def _split_digest(text: str) -> tuple[str, str]:
    name, at, digest = text.partition("@")
    if at and not digests.is_digest(digest):
        raise BadReference(text, "what stands after @ is no digest")
    return name, digest


def _split_tag(name: str, text: str) -> tuple[str, str]:
    """The last colon starts a tag, unless a slash follows: then it is a port."""
    before, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, ""
    if not _TAG.match(tag):
        raise BadReference(text, f"`{tag}` is no tag" if tag else "the tag is empty")
    return before, tag


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = "." in first or ":" in first or first == "localhost"
    if not slash or not is_host:
        registry, path = DEFAULT_REGISTRY, name
    else:
        registry, path = first, rest
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in path:
        path = f"library/{path}"
    return registry, path


def _bad_path(text: str, reference: Reference) -> BadReference:
    """Capitals are allowed in host and tag, and the name that is meant keeps them there."""
    lower = reference._replace(path=reference.path.lower())
    if lower != reference and _PATH.match(lower.path):
        return BadReference(
            text, "a repository's name must be lower case", hint=f"did you mean `{lower.familiar}`?"
        )
    shown = reference.path.removeprefix("library/")
    return BadReference(text, f"`{shown}` is no repository's name")
