"""Named volumes as folders, and what stands behind a volume with driver options."""

from pathlib import Path

import pytest

from runtime.errors import RuntimeFault
from runtime.values import VolumeOptions, VolumeRecord
from runtime.volumes import driver_options, named
from runtime.volumes.driver_options import VolumeSource


@pytest.fixture
def volumes(tmp_path) -> Path:
    folder = tmp_path / "volumes"
    folder.mkdir()
    return folder


def record(volumes: Path, name: str = "p_data", **options) -> VolumeRecord:
    return VolumeRecord(
        options=VolumeOptions(name=name, **options), path=str(named.generation_path(volumes, name))
    )


def test_a_volume_is_a_folder_of_generations(volumes):
    """DESIGN.md 5."""
    data = record(volumes)
    named.create(data)
    assert data.path == f"{volumes}/p_data/1"
    assert Path(data.path).stat().st_mode & 0o7777 == 0o755
    assert Path(data.path).parent.stat().st_mode & 0o7777 == 0o700
    assert named.list_names(volumes) == ("p_data",)
    assert named.is_empty(data)


def test_making_it_again_keeps_the_data(volumes):
    data = record(volumes)
    named.create(data)
    (Path(data.path) / "file").write_text("kept")
    named.create(data)
    assert (Path(data.path) / "file").read_text() == "kept"
    assert not named.is_empty(data)


def test_removing_takes_everything_and_is_repeatable(volumes):
    data = record(volumes)
    named.create(data)
    (Path(data.path) / "deep" / "er").mkdir(parents=True)
    named.remove(volumes, "p_data")
    named.remove(volumes, "p_data")
    assert list(volumes.iterdir()) == []


def test_removing_does_not_follow_a_link_of_the_container(volumes, tmp_path):
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "file").write_text("alive")
    data = record(volumes)
    named.create(data)
    (Path(data.path) / "link").symlink_to(canary)
    named.remove(volumes, "p_data")
    assert (canary / "file").read_text() == "alive"


def test_a_removal_that_was_killed_leaves_nothing_under_the_name_and_is_finished_later(
    volumes, monkeypatch
):
    data = record(volumes)
    named.create(data)
    (Path(data.path) / "file").write_text("old")

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(named.files, "remove_tree", killed)
        with pytest.raises(KeyboardInterrupt):
            named.remove(volumes, "p_data")
    assert named.list_names(volumes) == ()
    named.create(data)
    assert named.is_empty(data)
    named.sweep(volumes)
    assert [path.name for path in volumes.iterdir()] == ["p_data"]


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "-x", "a b", "x" * 256, "a\n"])
def test_a_name_is_a_single_plain_folder(volumes, name):
    with pytest.raises(RuntimeFault) as caught:
        named.generation_path(volumes, name)
    assert caught.value.code == "E441"
    with pytest.raises(RuntimeFault):
        named.remove(volumes, name)


def test_a_volume_whose_folder_is_gone_gets_it_back(volumes):
    assert named.is_empty(record(volumes))
    assert named.list_names(volumes) == ("p_data",)


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({"type": "none", "o": "bind", "device": "/srv/x"}, VolumeSource(path="/srv/x")),
        (
            {"type": "none", "o": "rbind,ro", "device": "/srv/x"},
            VolumeSource(path="/srv/x", options=("ro",)),
        ),
        (
            {"type": "tmpfs", "o": "size=100m,uid=1000", "device": "tmpfs"},
            VolumeSource(type="tmpfs", device="tmpfs", options=("size=100m", "uid=1000")),
        ),
        (
            {"type": "nfs", "o": "addr=10.0.0.1,rw", "device": ":/export"},
            VolumeSource(type="nfs", device=":/export", options=("addr=10.0.0.1", "rw")),
        ),
        ({"type": "ext4", "device": "/dev/sdb1"}, VolumeSource(type="ext4", device="/dev/sdb1")),
    ],
)
def test_driver_options_name_what_is_mounted_and_no_folder_is_made(volumes, options, source):
    data = record(volumes, driver_opts=options)
    named.create(data)
    assert driver_options.source_of(data) == source
    assert list(volumes.iterdir()) == []
    assert not named.is_empty(data)


def test_without_driver_options_it_is_the_folder(volumes):
    data = record(volumes)
    assert driver_options.source_of(data) == VolumeSource(path=data.path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"driver": "rexray"}, "the volume driver `rexray` is not available"),
        ({"driver_opts": {"mode": "1"}}, "volume p_data: `mode` is no option of the local driver"),
        (
            {"driver_opts": {"type": "tmpfs"}},
            "volume p_data: `driver_opts.type` needs `driver_opts.device`",
        ),
        (
            {"driver_opts": {"o": "bind", "device": "/x"}},
            "volume p_data: `driver_opts.o` needs `driver_opts.type`",
        ),
    ],
)
def test_what_the_local_driver_cannot_do_is_refused(volumes, options, message):
    with pytest.raises(RuntimeFault) as caught:
        named.create(record(volumes, **options))
    assert (str(caught.value), caught.value.code) == (message, "E440")


def test_a_folder_that_driver_options_name_must_be_there(volumes, tmp_path):
    options = {"type": "none", "o": "bind", "device": f"{tmp_path}/none"}
    with pytest.raises(RuntimeFault) as caught:
        named.check_source(record(volumes, driver_opts=options))
    assert str(caught.value) == "the folder of volume p_data does not exist"
    named.check_source(record(volumes, driver_opts={**options, "device": str(tmp_path)}))
    named.check_source(record(volumes, driver_opts={"type": "tmpfs", "device": "tmpfs"}))
