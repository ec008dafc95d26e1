"""Images as the engine sees them: find one, use it as a root, list, remove.

`host` and `dir:PATH` need no store; everything else is looked up there. A reference is what stands
after `image:` in a Compose file, or an image id.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from runtime.errors import NotFound, RuntimeFault
from runtime.images import host
from runtime.linux import files
from runtime.messages import RootFilesystem
from runtime.paths import Paths
from runtime.values import ImageConfig, ImageRecord

DIRECTORY = "dir:"


class Images:
    """The images of one root. Cheap to make; not shared between threads."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._host = host.HostImage(paths)

    def prepare_host(self) -> None:
        """Read the machine for `image: host` now, beside other work; the next containers find it
        done.
        """
        self._host.prepare()

    def find(self, reference: str) -> ImageRecord | None:
        """The image of that name or id, or None. Raises RuntimeFault for a `dir:` that is none."""
        if reference == host.REFERENCE:
            return _built_in(host.host_config())
        if reference.startswith(DIRECTORY):
            return _built_in(_directory_config(reference))
        return None

    def image_config(self, reference: str) -> ImageConfig:
        """What the image says about its containers. Raises NotFound."""
        return self._get(reference).config

    def root_filesystem(self, reference: str, container_folder: Path) -> RootFilesystem:
        """How a container's root is mounted; its upper and work folders are made. Repeatable.
        Raises NotFound.
        """
        upper, work = container_folder / "upper", container_folder / "work"
        files.ensure_directory(work)
        if reference == host.REFERENCE or reference == host.host_config().id:
            return self._host.root_filesystem(upper, work)
        lowers = self.layer_paths(reference)
        files.ensure_directory(upper, mode=0o755)
        return RootFilesystem(
            lowers=tuple(str(path) for path in lowers), upper=str(upper), work=str(work)
        )

    def layer_paths(self, reference: str) -> tuple[Path, ...]:
        """The image's folders, topmost first, for what is read without mounting. Raises NotFound.

        Empty for `host`: nothing of the machine may end up in a volume.
        """
        if reference == host.REFERENCE:
            return ()
        if reference.startswith(DIRECTORY):
            return (_directory(reference),)
        raise _unknown(reference)

    def list(self) -> tuple[ImageRecord, ...]:
        """Every image of the store, one record for each of its names."""
        return ()

    def _get(self, reference: str) -> ImageRecord:
        if (record := self.find(reference)) is None:
            raise _unknown(reference)
        return record


def _unknown(reference: str) -> NotFound:
    return NotFound(
        f"no such image: {reference}",
        code="E500",
        hint="`pycompose image ls` shows what is here; `image: host` needs none",
    )


def _built_in(config: ImageConfig) -> ImageRecord:
    return ImageRecord(id=config.id, name=config.reference, digest=config.id, config=config)


def _directory(reference: str) -> Path:
    """The folder of `dir:PATH`; the caller has made the path absolute."""
    path = Path(os.path.realpath(reference.removeprefix(DIRECTORY)))
    if not path.is_dir():
        raise NotFound(
            f"image {reference}: {path} is not a directory",
            code="E501",
            tried=f"use {path} as a root file system",
            hint="give the path of an unpacked root file system, relative to the Compose file",
        )
    if path == Path("/"):
        raise RuntimeFault(
            "image dir:/ would show everything on this machine to the container",
            code="E502",
            hint="use `image: host`, which hides what is private",
        )
    return path


def _directory_config(reference: str) -> ImageConfig:
    path = _directory(reference)
    architecture, variant = host.machine_architecture()
    identity = hashlib.sha256(b"dir\0" + os.fsencode(path))
    return ImageConfig(
        id=f"sha256:{identity.hexdigest()}",
        reference=reference,
        command=("/bin/sh",),
        environment=(host.SEARCH_PATH,),
        architecture=architecture,
        variant=variant,
    )
