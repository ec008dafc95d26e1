"""What a container was made from, and what is different now: names of keys, never values.

A fingerprint maps each attribute that matters (`environment.DEBUG`, `healthcheck.interval`) to a
digest of its value. It is kept with the container (`ContainerOptions.fingerprint`), so that a later
plan can say which key changed although no value was written down for it. The config hash is the
digest of the fingerprint. The content of secrets and configs counts, as a digest; what an attribute
declares as `on_change="nothing"` does not. Source: reference cli.md 6.2 and 19 (12).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compose.model.attribute import given, table_of
from compose.model.files import Config, Secret
from compose.model.network import Network
from compose.model.project import Project
from compose.model.service import Service
from compose.model.volume import Volume

Fingerprint = Mapping[str, str]
_NOT_COMPARED = frozenset({"name", "extends", "env_file", "label_file", "extensions"})
"""What only leads to other attributes: the content of an env_file stands in `environment`."""
_SHOWN = 3


def fingerprint(service: Service, project: Project, digests: Mapping[str, str]) -> Fingerprint:
    """`digests` are those of the files behind secrets and configs."""
    leaves = dict(_leaves("", service))
    for kind, references, sources in (
        ("secret", service.secrets, project.secrets),
        ("config", service.configs, project.configs),
    ):
        for reference in references:
            if (source := sources.get(reference.source)) is not None:
                leaves[f"content of {kind} {reference.source}"] = _content(source, digests)
    return leaves


def resource_hash(resource: Network | Volume) -> str:
    """The config hash of a network or volume: what it is, not how it is called."""
    return hash_of(dict(_leaves("", resource)))


def hash_of(leaves: Fingerprint) -> str:
    """The config hash, as the label holds it."""
    import hashlib  # with OpenSSL, 2 ms that a `down` does without

    text = "\n".join(f"{name}={leaves[name]}" for name in sorted(leaves))
    return hashlib.sha256(text.encode()).hexdigest()


def describe(before: Fingerprint, now: Fingerprint) -> str:
    """`environment.DEBUG changed, ports added`; of long lists the first few and how many more."""
    if not before:
        return "its configuration changed"
    changes = [
        f"{name} {_word(name in before, name in now)}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    shown = ", ".join(changes[:_SHOWN])
    more = len(changes) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _word(was: bool, is_now: bool) -> str:
    if was and is_now:
        return "changed"
    return "added" if is_now else "removed"


def digest(text: str | bytes) -> str:
    import hashlib

    data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()[:16]


def _content(source: Secret | Config, digests: Mapping[str, str]) -> str:
    if source.file:
        return digests.get(source.file, "")
    return digest(source.content or "")


def _leaves(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Attributes and keys of mappings one by one; lists and scalars whole."""
    if hasattr(value, "__attributes__"):
        table = table_of(type(value))
        for name, inner in sorted(given(value).items()):
            declared = table[name]
            if (
                name in _NOT_COMPARED
                or declared.on_change == "nothing"
                or inner == declared.default
            ):
                continue
            yield from _leaves(f"{path}.{name}" if path else name, inner)
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from _leaves(f"{path}.{key}", value[key])
    else:
        yield path, digest(repr(value))
