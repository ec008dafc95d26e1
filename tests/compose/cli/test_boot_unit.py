"""`boot --install` writes a unit that systemd takes, enabled, and again without harm."""

import subprocess
from pathlib import Path

import pytest

from compose.cli import app, boot_unit
from tests.fakes.stack import FakeDoors


def test_the_unit_calls_boot_by_its_absolute_path():
    assert boot_unit.unit_text("/usr/local/bin/pycompose") == (
        "[Unit]\n"
        "Description=Containers of Compose projects whose restart policy says so\n"
        "Wants=network-online.target\n"
        "After=network-online.target local-fs.target\n"
        "\n"
        "[Service]\n"
        "Type=oneshot\n"
        "RemainAfterExit=yes\n"
        'ExecStart="/usr/local/bin/pycompose" boot\n'
        "# the containers are the projects', not this unit's: they outlive it\n"
        "KillMode=process\n"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def test_another_root_is_kept():
    assert 'Environment=PYCOMPOSE_ROOT="/srv/a b"\n' in boot_unit.unit_text("/p", "/srv/a b")


def test_a_path_cannot_say_more_than_a_path():
    assert 'ExecStart="/a\\"b%%i$$HOME\\\\" boot' in boot_unit.unit_text('/a"b%i$HOME\\')


def test_it_is_written_and_enabled_twice_without_harm(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.delenv("PYCOMPOSE_ROOT", raising=False)
    doors = FakeDoors(unit_folder=str(tmp_path))
    for _ in range(2):
        assert app.run(["boot", "--install"], program="/p", doors=doors) == 0
    assert capsys.readouterr().out == f"{tmp_path}/pycompose-boot.service\n" * 2
    link = tmp_path / "multi-user.target.wants" / "pycompose-boot.service"
    assert link.resolve() == tmp_path / "pycompose-boot.service"


def test_boot_prints_the_projects_that_it_woke(capsys):
    assert app.run(["boot"], doors=FakeDoors()) == 0
    assert capsys.readouterr().out == "shop\nblog\n"


@pytest.mark.slow  # its program comes with the packages that ./check installs for the whole run
def test_systemd_finds_no_fault(tmp_path: Path):
    unit = tmp_path / "pycompose-boot.service"
    unit.write_text(boot_unit.unit_text("/bin/true"))
    run = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert "pycompose-boot" not in run.stderr
