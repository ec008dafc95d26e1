"""What the scenarios of images share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Pycompose
from tests.runtime.images.made import busybox_tar


@pytest.fixture
def import_image(pycompose: Pycompose, tmp_path: Path) -> Callable[..., str]:
    """Imports busybox with further files under a name, `instructions` applied; returns its id."""

    def act(name: str, *instructions: str, files: dict[str, str] | None = None) -> str:
        path = tmp_path / "root.tar"
        path.write_bytes(busybox_tar(files))
        flags = [word for text in instructions for word in ("-c", text)]
        return pycompose("image", "import", *flags, str(path), name).stdout.strip()

    return act
