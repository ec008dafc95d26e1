"""What is done to images by hand: import, load, save, tag, remove, prune.

The engine's second door to images; front.py is the one that containers go through. Everything runs
in the caller's process and thread: an interrupt leaves at most files that the next collection
removes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import InUse, NotFound, RuntimeFault, describe_errno
from runtime.images import archive, describing, importing, manifest, saving
from runtime.images.archive_source import read_chunks
from runtime.images.front import Images, image_record, is_built_in, machine_platform, unknown
from runtime.images.reference import BadReference, Reference, parse_reference
from runtime.images.streams import CHUNK
from runtime.paths import Paths
from runtime.values import DiskUsage, ImageDetails, ImageRecord, LoadedImage, Progress, Pruned

OnProgress = Callable[[Progress], None]
STANDARD = "-"
"""As a path: stdin or stdout."""


class ImageManager:
    """The images of one root, to be worked on. Cheap to make."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._images = Images(paths)

    def close(self) -> None:
        """Let go of the database. Can be used again."""
        self._images.close()

    # --- in

    def import_tar(
        self,
        source: str,
        name: str = "",
        *,
        changes: Sequence[str] = (),
        message: str = "",
        platform: str = "",
        on_progress: OnProgress | None = None,
    ) -> ImageRecord:
        """An image of one layer from a tar of a root file system: a path, an URL or `-`.

        Raises RuntimeFault: BadArchive, BadChange, BadReference, and what reading answers.
        """
        tags = [_new_name(name)] if name else []
        with _opened(source) as chunks:
            image = importing.import_tar(
                self._images.store,
                _told(chunks, on_progress, source),
                platform=machine_platform(platform),
                tags=tags,
                changes=changes,
                message=message,
                source=source,
            )
        return image_record(image, name)

    def load(
        self, source: str, *, platform: str = "", on_progress: OnProgress | None = None
    ) -> tuple[LoadedImage, ...]:
        """All images of a `docker save` archive or an OCI layout: a file, a folder or `-`."""
        loaded = archive.load(
            self._images.store,
            sys.stdin.fileno() if source == STANDARD else Path(source),
            wanted=machine_platform(platform),
            is_given=bool(platform),
            on_progress=on_progress,
        )
        return tuple(
            LoadedImage(id=one.image.id, names=tuple(name.familiar for name in one.names))
            for one in loaded
        )

    # --- out

    def save(
        self,
        names: Sequence[str],
        target: str,
        *,
        platform: str = "",
    ) -> None:
        """Write images into an archive or a folder, or to stdout.

        Raises NotFound: of a name, or of a platform that the image is not made for.
        """
        store = self._images.store
        for name in names:
            _check_stored(name, "saved")
        chosen = saving.choose(store, names)
        if platform:
            wanted = machine_platform(platform)
            for one in chosen:
                manifest.check_platform(
                    manifest.platform_of(one.image.config), wanted, name=_shown(one)
                )
        if target == STANDARD:
            with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as stream:
                saving.save_to_stream(store, chosen, stream)
        else:
            saving.save_to_path(store, chosen, Path(target))

    # --- names

    def tag(self, source: str, target: str) -> None:
        """A further name for an image; taken from who had it. Raises NotFound, BadReference."""
        _check_stored(source, "tagged")
        self._images.store.tag(source, _new_name(target))

    def remove(
        self, text: str, *, force: bool = False, prune: bool = True, platform: str = ""
    ) -> tuple[str, ...]:
        """A name, or an image by its id; returns the lines of `docker rmi`. NotFound, InUse."""
        _check_stored(text, "removed")
        store = self._images.store
        if platform:
            wanted = machine_platform(platform)
            found = manifest.platform_of(store.get(text).config)
            manifest.check_platform(found, wanted, name=text)
        return tuple(store.remove(text, force=force, prune=prune))

    def prune(self, ids: Iterable[str] = ()) -> Pruned:
        """Remove these images unless a container needs one by now, and what no image needs."""
        store = self._images.store
        lines: list[str] = []
        for image_id in ids:
            try:
                lines += store.remove(image_id, force=True, prune=False)
            except (NotFound, InUse):
                continue
        return Pruned(lines=tuple(lines), reclaimed=store.collect())

    # --- what there is

    def details(self, text: str, *, platform: str = "") -> ImageDetails:
        """Raises NotFound. Of `host` and folders, what is known."""
        if is_built_in(text):
            if (record := self._images.find(text)) is None:
                raise unknown(text)
            return ImageDetails(record=record, names=(text,))
        if not self._images.has_store:
            raise unknown(text)
        details = describing.describe_image(self._images.store, text)
        if platform:
            wanted = machine_platform(platform)
            manifest.check_platform(manifest.platform_of(details.record.config), wanted, name=text)
        return details

    def used_ids(self) -> frozenset[str]:
        """Images that a container is made from or mounts."""
        return self._images.store.used_ids() if self._images.has_store else frozenset()

    def usage(self) -> DiskUsage:
        """What the whole root takes on the disk."""
        if not self._images.has_store:
            return DiskUsage()
        return describing.measure(self._images.store, self._paths)


def _new_name(text: str) -> Reference:
    """Raises BadReference: also for a name that means something else in a Compose file."""
    if is_built_in(text):
        raise BadReference(text, "that name is built in", hint="choose another name")
    reference = parse_reference(text)
    if reference.digest:
        raise BadReference(text, "a new name cannot hold a digest")
    return reference.with_tag


def _check_stored(text: str, what: str) -> None:
    if is_built_in(text):
        raise RuntimeFault(f"image {text} is built in and cannot be {what}", code="E505")


def _shown(chosen: saving.Chosen) -> str:
    return chosen.names[0].familiar if chosen.names else chosen.image.id


@contextmanager
def _opened(source: str) -> Iterator[Iterator[bytes]]:
    """The bytes of a path, an URL or stdin, as chunks."""
    if source == STANDARD:
        yield read_chunks(sys.stdin.fileno())
    elif source.startswith(("http://", "https://")):
        with _opened_url(source) as chunks:
            yield chunks
    else:
        with _opened_file(source) as descriptor:
            yield read_chunks(descriptor)


@contextmanager
def _opened_file(path: str) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NotFound(
            f"cannot read {path}",
            code="E526",
            tried=f"open {path}",
            answered=describe_errno(error),
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened_url(url: str) -> Iterator[Iterator[bytes]]:
    """A plain download, without credentials. Raises RuntimeFault."""
    from urllib import error as errors
    from urllib import request

    try:
        # its own timeout holds for each wait, not for the whole
        with request.urlopen(url, timeout=60) as answer:
            yield iter(lambda: answer.read(CHUNK), b"")
    except OSError as error:
        raise RuntimeFault(
            f"cannot download {url}",
            code="E526",
            tried=f"GET {url}",
            answered=str(error.reason if type(error) is errors.URLError else error),
        ) from error


def _told(chunks: Iterator[bytes], on_progress: OnProgress | None, source: str) -> Iterator[bytes]:
    """The same chunks; `on_progress` hears how many bytes have come."""
    count = 0
    total = os.stat(source).st_size if os.path.isfile(source) else 0
    for chunk in chunks:
        yield chunk
        count += len(chunk)
        if on_progress is not None:
            on_progress(Progress(id=source, text="Importing", current=count, total=total))
