"""The options of an OCI mount, sorted by who takes them. Pure. Source: config.md "Mounts" of
runtime-spec 1.3."""

from __future__ import annotations

from collections.abc import Iterable

from runtime.frozen import dataclass
from runtime.linux import mounts

_IGNORED = frozenset({"defaults", "bind", "rbind", "async", "loud", "rw", "auto", "noauto"})

_SET = {
    "ro": mounts.ATTR_RDONLY,
    "nosuid": mounts.ATTR_NOSUID,
    "nodev": mounts.ATTR_NODEV,
    "noexec": mounts.ATTR_NOEXEC,
    "nodiratime": mounts.ATTR_NODIRATIME,
    "nosymfollow": mounts.ATTR_NOSYMFOLLOW,
}
_CLEAR = {
    "rw": mounts.ATTR_RDONLY,
    "suid": mounts.ATTR_NOSUID,
    "dev": mounts.ATTR_NODEV,
    "exec": mounts.ATTR_NOEXEC,
    "diratime": mounts.ATTR_NODIRATIME,
    "symfollow": mounts.ATTR_NOSYMFOLLOW,
}
_ACCESS_TIME = {
    "relatime": mounts.ATTR_RELATIME,
    "atime": mounts.ATTR_RELATIME,
    "norelatime": mounts.ATTR_RELATIME,
    "nostrictatime": mounts.ATTR_RELATIME,
    "noatime": mounts.ATTR_NOATIME,
    "strictatime": mounts.ATTR_STRICTATIME,
}
_PROPAGATION = {
    "private": mounts.MS_PRIVATE,
    "shared": mounts.MS_SHARED,
    "slave": mounts.MS_SLAVE,
    "unbindable": mounts.MS_UNBINDABLE,
}


@dataclass(slots=True, kw_only=True)
class MountOptions:
    """`attributes` and `clear` are MOUNT_ATTR_ bits, the `recursive_` ones for everything below,
    too."""

    attributes: int = 0
    clear: int = 0
    recursive_attributes: int = 0
    recursive_clear: int = 0
    propagation: tuple[tuple[int, bool], ...] = ()
    """(MS_ word, whether recursive), in the order given."""
    data: tuple[str, ...] = ()
    """For the file system itself."""
    is_bind: bool = False
    is_recursive: bool = False


def parse_options(options: Iterable[str]) -> MountOptions:
    """Later options win over earlier ones, as with mount(8)."""
    parsed = MountOptions()
    for option in options:
        _take(parsed, option)
    return parsed


def propagation_word(text: str) -> tuple[int, bool]:
    """`rslave` -> (MS_SLAVE, True). Raises KeyError for what is no propagation."""
    if text in _PROPAGATION:
        return _PROPAGATION[text], False
    if text.startswith("r"):
        return _PROPAGATION[text[1:]], True
    raise KeyError(text)


def _take(parsed: MountOptions, option: str) -> None:
    parsed.is_bind |= option in ("bind", "rbind")
    parsed.is_recursive |= option == "rbind"
    if option in _SET or option in _CLEAR or option in _ACCESS_TIME:
        parsed.attributes, parsed.clear = _changed(parsed.attributes, parsed.clear, option)
    elif option in _IGNORED:
        return
    elif option[:1] == "r" and option[1:] in {*_SET, *_CLEAR, *_ACCESS_TIME}:
        parsed.recursive_attributes, parsed.recursive_clear = _changed(
            parsed.recursive_attributes, parsed.recursive_clear, option[1:]
        )
    else:
        _take_rest(parsed, option)


def _take_rest(parsed: MountOptions, option: str) -> None:
    try:
        parsed.propagation += (propagation_word(option),)
    except KeyError:
        parsed.data += (option,)


def _changed(attributes: int, clear: int, option: str) -> tuple[int, int]:
    if option in _ACCESS_TIME:
        # The kernel takes one value of this field only together with clearing the whole field
        kept = attributes & ~mounts.ATTR_ATIME
        return kept | _ACCESS_TIME[option], clear | mounts.ATTR_ATIME
    if option in _SET:
        return attributes | _SET[option], clear & ~_SET[option]
    return attributes & ~_CLEAR[option], clear | _CLEAR[option]
