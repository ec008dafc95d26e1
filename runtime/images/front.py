"""Images as the engine sees them: find one, use it as a root, have it here, list, remove.

A reference is what stands after `image:` in a Compose file, or an image id. `host` and `dir:PATH`
need no store; a process that uses nothing else imports none of it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import NotFound, RuntimeFault
from runtime.images import host, uppers
from runtime.linux import files
from runtime.messages import RootFilesystem
from runtime.paths import Paths, ensure_directories
from runtime.values import ImageConfig, ImageRecord, Progress

if TYPE_CHECKING:
    from runtime.images.manifest import Platform
    from runtime.images.rows import ImageRow
    from runtime.images.store import Store
    from runtime.state.database import Database

DIRECTORY = "dir:"
LAYOUT = "oci:"

OnProgress = Callable[[Progress], None]


def is_built_in(reference: str) -> bool:
    """Whether the image is no row of the store: `host`, `dir:PATH`. `oci:PATH` becomes one."""
    return reference == host.REFERENCE or reference.startswith(DIRECTORY)


class Images:
    """The images of one root. Cheap to make; not shared between threads.

    Close it, or give it the caller's database: what it opens itself stays open until then.
    """

    def __init__(self, paths: Paths, database: Database | None = None) -> None:
        self._paths = paths
        self._database = database
        self._opened: Database | None = None
        self._store: Store | None = None

    def __enter__(self) -> Images:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database, if it is none of the caller's. Can be used again."""
        opened, self._opened = self._opened, None
        if opened is not None:
            self._store = None
            opened.close()

    def prepare_host(self) -> None:
        """Read the machine for `image: host` now, beside other work; then the next containers find
        it done."""
        host.host_image(self._paths).prepare()

    def find(self, reference: str, *, platform: str = "") -> ImageRecord | None:
        """The image of that name or id, made for the platform if one is given; or None.

        Raises RuntimeFault for a `dir:` or `oci:` that is none, or a name that cannot be one.
        """
        if reference == host.REFERENCE and not _is_machine(platform):
            return None
        if is_built_in(reference):
            return _built_in(reference)
        image = self._find_row(reference, platform)
        return image_record(image, reference) if image else None

    def image_config(self, reference: str) -> ImageConfig:
        """What the image says about its containers. Raises NotFound."""
        if (record := self.find(reference)) is None:
            raise unknown(reference)
        return record.config

    def root_filesystem(
        self, reference: str, container_folder: Path, *, image_id: str = ""
    ) -> RootFilesystem:
        """How a container's root is mounted; its upper and work folders are made. Repeatable.

        With `image_id` that image is taken, whatever the name means by now. Raises NotFound.
        """
        upper, work = uppers.ensure(container_folder)
        if reference == host.REFERENCE:
            return host.host_image(self._paths).root_filesystem(upper, work)
        lowers = self.layer_paths(reference, image_id=image_id) or (_nothing(container_folder),)
        _make_upper(upper, lowers)
        return RootFilesystem(
            lowers=tuple(str(path) for path in lowers), upper=str(upper), work=str(work)
        )

    def layer_paths(self, reference: str, *, image_id: str = "") -> tuple[Path, ...]:
        """The image's folders, topmost first, for what is read without mounting. Raises NotFound.

        Those of `host` are `/`: of it only owner and mode of a folder may be taken.
        """
        if reference == host.REFERENCE:
            return (Path("/"),)
        if reference.startswith(DIRECTORY):
            return (_directory(reference),)
        image = self._find_row(image_id or reference)
        if image is None:
            raise unknown(reference)
        self.store.ensure_layers(image)
        return self.store.layer_paths(image)

    def find_mounted(self, reference: str) -> ImageRecord:
        """An image that a container is to mount. Raises NotFound; RuntimeFault for `host`, of which
        a container may see the public part alone."""
        if reference == host.REFERENCE:
            raise RuntimeFault(
                "image host cannot be mounted: it would show all of this machine",
                code="E502",
                hint="mount the folder that is needed with `type: bind`",
            )
        if (record := self.find(reference)) is None:
            raise unknown(reference)
        return record

    def last_pulled(self, reference: str) -> float:
        """When the name was last asked for in its registry; when it came, for one made here."""
        from runtime.images.reference import BadReference, parse_reference
        from runtime.images.rows import tag_of

        image = self._find_row(reference)
        if image is None:
            return 0.0
        try:
            return image.tags.get(tag_of(parse_reference(reference))) or image.added_at
        except BadReference:  # an image id
            return image.added_at

    def list(self) -> tuple[ImageRecord, ...]:
        """Every image of the store, newest first, one record for each of its names; those without
        a tag by the digest that a repository knows them by."""
        if not self.has_store:
            return ()
        return tuple(
            image_record(image, name) for image in self.store.rows.all() for name in _names(image)
        )

    @property
    def store(self) -> Store:
        """The store itself, for what is done to images. Makes the database when there is none."""
        if self._store is None:
            from runtime.images.store import Store
            from runtime.state.database import Database

            ensure_directories(self._paths)
            database = self._database
            if database is None:
                database = self._opened = Database.open(self._paths)
            self._store = Store(self._paths, database)
        return self._store

    def _find_row(self, reference: str, platform: str = "") -> ImageRow | None:
        if reference.startswith(LAYOUT):
            return self._find_in_layout(reference, platform)
        if not self.has_store:
            from runtime.images.reference import parse_reference

            if not reference.startswith("sha256:"):
                parse_reference(reference)
            return None
        found = self.store.find(reference)
        return found if found and _fits(found, platform) else None

    def _find_in_layout(self, reference: str, platform: str) -> ImageRow | None:
        """The image that the layout holds by now, if it was loaded before."""
        from runtime.images import archive

        path, tag = split_layout(reference)
        return archive.find_layout(self.store, path, tag=tag, wanted=machine_platform(platform))

    @property
    def has_store(self) -> bool:
        """Whether images were ever kept here. Asking makes nothing."""
        return (
            self._database is not None or self._store is not None or self._paths.database.exists()
        )


async def ensure(
    paths: Paths,
    reference: str,
    *,
    policy: str = "missing",
    platform: str = "",
    on_progress: OnProgress | None = None,
) -> ImageRecord:
    """Have an image here, by pull policy. Raises NotFound when it is nowhere, RuntimeFault."""
    with Images(paths) as images:
        if (found := _found(images, reference, policy, platform)) is not None:
            return found
        if reference.startswith(LAYOUT):
            return _load_layout(images, reference, platform, on_progress)
    if reference == host.REFERENCE:
        raise _not_for(platform)
    if policy == "never":
        raise unknown(reference)
    if reference.startswith((f"{host.REFERENCE}:", f"{host.REFERENCE}@")):
        raise _not_tagged(reference)
    from runtime.images.remote import pull

    return await pull(paths, reference, platform=platform, on_progress=on_progress)


def _found(images: Images, reference: str, policy: str, platform: str) -> ImageRecord | None:
    """The image that is here, unless the policy is not content with it."""
    record = images.find(reference, platform=platform)
    if record is None or is_built_in(reference) or policy == "never":
        return record
    if reference.startswith((LAYOUT, "sha256:")):
        return record
    from runtime.images import policies

    last = images.last_pulled(reference)
    return None if policies.is_due(policy, last=last, now=time.time()) else record


def _load_layout(
    images: Images, reference: str, platform: str, on_progress: OnProgress | None
) -> ImageRecord:
    from runtime.images import archive

    path, tag = split_layout(reference)
    wanted = machine_platform(platform)
    image = archive.load_layout(
        images.store, path, tag=tag, wanted=wanted, is_given=bool(platform), on_progress=on_progress
    )
    return image_record(image, reference)


def split_layout(reference: str) -> tuple[Path, str]:
    """`oci:PATH[:TAG]`; a path that exists is never cut."""
    text = reference.removeprefix(LAYOUT)
    path, colon, tag = text.rpartition(":")
    if not colon or "/" in tag or os.path.exists(text):
        return Path(text), ""
    return Path(path), tag


def machine_platform(platform: str = "") -> Platform:
    """The platform that a text means on this machine. Raises BadImage."""
    from runtime.images import manifest

    return manifest.parse_platform(
        platform, manifest.Platform("linux", *host.machine_architecture())
    )


def _is_machine(platform: str) -> bool:
    if not platform:
        return True
    from runtime.images import manifest

    return manifest.runs_on(machine_platform(), machine_platform(platform))


def _not_for(platform: str) -> NotFound:
    return NotFound(
        f"this machine is not {machine_platform(platform)}",
        code="E534",
        answered=f"it is {machine_platform()}",
        hint="leave `platform` out, or choose an image that is made for it",
    )


def _fits(image: ImageRow, platform: str) -> bool:
    """Whether the image is for the platform that was asked for."""
    if not platform:
        return True
    from runtime.images import manifest

    return manifest.runs_on(manifest.platform_of(image.config), machine_platform(platform))


def image_record(image: ImageRow, reference: str) -> ImageRecord:
    """The record of an image under one of its names; any name when it was found by its id."""
    from runtime.images.reference import BadReference, parse_reference

    is_name = reference and not reference.startswith((LAYOUT, "sha256:"))
    try:
        asked = parse_reference(reference).with_tag if is_name else None
    except BadReference:
        asked = None
    names = [parse_reference(name) for name in image.tags]
    name = next((name for name in names if asked and str(name) == str(asked)), None)
    if name is None and asked and asked.digest:
        name = asked
    elif name is None and names:
        name = names[0]
    known = dict(image.digests)
    repository = name.repository if name else asked.repository if asked else ""
    return ImageRecord(
        id=image.id,
        name=name.familiar if name else "",
        digest=known.get(repository, ""),
        size=image.size,
        created_at=image.created_at,
        config=image.config,
    )


def _names(image: ImageRow) -> tuple[str, ...]:
    return (
        tuple(image.tags)
        or tuple(f"{repository}@{digest}" for repository, digest in image.digests)
        or ("",)
    )


def unknown(reference: str) -> NotFound:
    """The error for an image that is not here."""
    return NotFound(
        f"no such image: {reference}",
        code="E500",
        hint="`pycompose image ls` shows what is here; `image: host` needs none",
    )


def _not_tagged(reference: str) -> NotFound:
    """No registry knows such a name: this machine is meant."""
    return NotFound(
        f"no such image: {reference}",
        code="E500",
        hint=f"this machine as an image is `image: {host.REFERENCE}`, without tag and digest",
    )


def _nothing(container_folder: Path) -> Path:
    """An image without layers: overlayfs wants a lower all the same."""
    files.ensure_directory(container_folder / "nothing", mode=0o755)
    return container_folder / "nothing"


def _make_upper(upper: Path, lowers: tuple[Path, ...]) -> None:
    """The upper's own attributes are those of the container's `/`."""
    if upper.is_dir():
        return
    root = lowers[-1].stat() if lowers else None
    files.ensure_directory(upper, mode=(root.st_mode & 0o7777) if root else 0o755)
    if root and (root.st_uid or root.st_gid):
        os.chown(upper, root.st_uid, root.st_gid)


def _built_in(reference: str) -> ImageRecord:
    is_host = reference == host.REFERENCE
    config = host.host_config() if is_host else _directory_config(reference)
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
