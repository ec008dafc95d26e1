"""What a killed command left of files, finished by the next one."""

from __future__ import annotations

from runtime.containers import lifecycle
from runtime.paths import Paths, ensure_directories
from runtime.state.database import Database
from runtime.values import VolumeOptions


def test_a_folder_without_a_row_is_a_removal_that_was_killed(paths: Paths):
    ensure_directories(paths)
    database = Database.open(paths)
    lifecycle.create_volume(database, paths, VolumeOptions(name="kept"), project_id="")
    for name in ("orphan", ".removed-0123abcd"):
        (paths.volumes / name / "1").mkdir(parents=True)
    lifecycle.sweep_volumes(database, paths)
    assert [path.name for path in paths.volumes.iterdir()] == ["kept"]
    assert database.find_volume("kept") is not None
    database.close()
