"""`driver_opts` of a local volume: type, device and o, as mount(8) takes them -> what to
mount. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.errors import RuntimeFault
from runtime.frozen import dataclass
from runtime.values import VolumeOptions, VolumeRecord

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "device": ("type",),
    "type": ("device",),
    "o": ("device", "type"),
}
_BIND_WORDS = ("bind", "rbind")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSource:
    """What stands behind a volume's name: a folder, memory that its containers share, or another
    file system, which each container mounts anew: the kernel knows that it is the same.
    """

    path: str = ""
    """Empty: the next three hold."""
    type: str = ""
    """tmpfs, nfs, ext4, ..."""
    device: str = ""
    options: tuple[str, ...] = ()
    """Words of `o`; next to a path only `ro` has a meaning."""

    @property
    def is_memory(self) -> bool:
        return self.type == "tmpfs"

    @property
    def access(self) -> tuple[str, ...]:
        """What is left to say of the shared mount in each container."""
        return ("ro",) if "ro" in self.options else ()


def check(options: VolumeOptions) -> None:
    """Raises RuntimeFault for a driver or an option that cannot be honoured."""
    if options.driver != "local":
        raise RuntimeFault(
            f"the volume driver `{options.driver}` is not available",
            code="E440",
            tried=f"making volume {options.name}",
            hint="leave `driver` out, or write `local`",
        )
    given = options.driver_opts
    for name in given:
        if name not in _NEEDS:
            raise RuntimeFault(
                f"volume {options.name}: `{name}` is no option of the local driver",
                code="E440",
                hint="known: type, device, o",
            )
        for other in _NEEDS[name]:
            if not given.get(other):
                raise RuntimeFault(
                    f"volume {options.name}: `driver_opts.{name}` needs `driver_opts.{other}`",
                    code="E440",
                    hint="a folder is `type: none`, `o: bind`, `device: /path`",
                )


def source_of(record: VolumeRecord) -> VolumeSource:
    """The volume's own folder, unless `driver_opts` names something else."""
    given = record.options.driver_opts
    if not given:
        return VolumeSource(path=record.path)
    words = tuple(word for word in given.get("o", "").split(",") if word)
    rest = tuple(word for word in words if word not in _BIND_WORDS)
    if len(rest) < len(words):
        return VolumeSource(path=given["device"], options=rest)
    return VolumeSource(type=given["type"], device=given["device"], options=words)


def has_own_folder(record: VolumeRecord) -> bool:
    """False for a volume whose content is somewhere else, where it is not ours to fill or
    remove.
    """
    return not record.options.driver_opts
