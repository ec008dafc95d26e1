"""`image: host` shows the machine without what is private (DESIGN.md 6)."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.images import host
from runtime.images.front import Images
from runtime.images.host import HostImage, host_config
from runtime.images.host_view import MountPoint, is_public, survey
from runtime.linux.overlay_entries import Entry, lay_entries
from runtime.messages import RootFilesystem
from runtime.paths import Paths, ensure_directories
from tests.runtime.images.roots import run_in

CANARY = f"canary{secrets.token_hex(8)}"


def plant(path: Path, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{CANARY}\n")
    path.chmod(mode)
    return path


def root_of(image: HostImage, paths: Paths, name: str = "c1") -> RootFilesystem:
    folder = paths.container(name)
    (folder / "work").mkdir(parents=True)
    return image.root_filesystem(folder / "upper", folder / "work")


@pytest.fixture
def canaries(paths: Paths) -> Iterator[list[Path]]:
    """Files that no container may read, in every corner of this machine."""
    ensure_directories(paths)
    planted = [
        plant(Path("/root") / CANARY),
        plant(Path("/home") / CANARY / "x"),
        plant(Path("/srv") / CANARY),
        plant(Path("/tmp") / CANARY),
        plant(Path("/run") / CANARY / "x"),
        plant(Path("/mnt") / CANARY),
        plant(Path("/boot") / CANARY),
        plant(Path(f"/{CANARY}")),
        plant(Path(f"/{CANARY}.d/x")),
        plant(Path("/var") / CANARY / "x"),
        plant(Path("/var/lib") / CANARY / "x"),
        plant(Path("/var/log") / CANARY),
        plant(Path("/etc") / f"{CANARY}.private", 0o600),
        plant(Path("/etc") / f"{CANARY}.key"),
        plant(Path("/etc") / f"{CANARY}.d" / "x", 0o640),
        plant(paths.data / CANARY),
        plant(paths.run / CANARY),
        plant(paths.container("other") / "upper" / "root" / CANARY),
    ]
    yield planted
    for path in planted:
        if CANARY in path.parent.name:
            shutil.rmtree(path.parent, ignore_errors=True)
        path.unlink(missing_ok=True)


@pytest.mark.kernel
def test_nothing_private_of_this_machine_shows(paths: Paths, canaries: list[Path]):
    root = root_of(HostImage(paths), paths)
    found = run_in(
        root,
        f'grep -rl {CANARY} /root /home /srv /tmp /run /mnt /boot /var /etc "/" --exclude-dir=usr'
        " --exclude-dir=opt -s || true",
    )
    assert found == ""
    for path in canaries:
        assert run_in(root, f'test -e "{path}" && echo there || echo gone') == "gone\n", path


@pytest.mark.kernel
def test_what_becomes_private_later_never_shows(paths: Paths):
    """Containers live long; /etc of the machine goes on changing under them."""
    ensure_directories(paths)
    root = root_of(HostImage(paths), paths)
    late = plant(Path("/etc") / f"{CANARY}.late", 0o600)
    try:
        assert run_in(root, f"cat {late} 2>/dev/null || echo gone") == "gone\n"
    finally:
        late.unlink()


@pytest.mark.kernel
@pytest.mark.parametrize(
    "program", ["ls /usr/bin", "cat /etc/passwd", "test -d /var/lib/dpkg/info"]
)
def test_what_everybody_may_read_shows(paths: Paths, program: str):
    ensure_directories(paths)
    root = root_of(HostImage(paths), paths)
    assert run_in(root, program) == subprocess.check_output(["sh", "-c", program], text=True)


@pytest.mark.kernel
def test_a_container_writes_into_its_own_copy(paths: Paths):
    ensure_directories(paths)
    image = HostImage(paths)
    one, other = root_of(image, paths, "one"), root_of(image, paths, "two")
    script = "for d in /etc /var /run /tmp /root /usr/bin /home; do echo mine > $d/pct-file; done"
    run_in(one, script)
    assert run_in(one, "cat /etc/pct-file") == "mine\n"
    assert run_in(other, "cat /etc/pct-file 2>/dev/null || echo none") == "none\n"
    assert not Path("/etc/pct-file").exists()
    (template,) = (paths.images / "host").glob("[0-9a-f]*")
    assert not (template / "etc" / "pct-file").exists()


@pytest.mark.kernel
def test_a_packaged_file_can_be_changed_and_removed(paths: Paths):
    ensure_directories(paths)
    root = root_of(HostImage(paths), paths)
    run_in(root, "echo ours > /etc/hostname; rm /etc/passwd; mv /var/lib/dpkg/status /tmp/status")
    assert run_in(root, "cat /etc/hostname; ls /etc/passwd 2>&1 | wc -l; ls /tmp") == (
        "ours\n1\nstatus\n"
    )
    assert Path("/etc/passwd").exists()


# --- on a machine made for the test


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A small `/`, below which a root of ours lies in /opt."""
    top = tmp_path / "machine"
    for folder in ("usr/bin", "opt/app", "home/anna", "etc/ssl/private", "var/lib/dpkg", "run/db"):
        (top / folder).mkdir(parents=True)
    (top / "bin").symlink_to("usr/bin")
    for folder in ("tmp", "proc"):
        (top / folder).mkdir()
    (top / "tmp").chmod(0o1777)
    (top / "work").mkdir()
    (top / "swapfile").write_text("secret")
    (top / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    plant(top / "etc" / "shadow", 0o640)
    plant(top / "etc" / "shadow-", 0o644)
    plant(top / "etc" / "ssl" / "private" / "x.pem")
    (top / "etc" / "ssl" / "private").chmod(0o710)
    (top / "var" / "lib" / "dpkg" / "status").write_text("Package: x\n")
    plant(top / "var" / "lib" / "mysql" / "secret")
    (top / "var" / "run").symlink_to("/run")
    os.chown(top / "run" / "db", 70, 70)
    return top


ROOT_MOUNT = (MountPoint("/", "ext4"),)


def test_the_view_is_an_allow_list(machine: Path):
    ours = machine / "opt" / "pycompose" / "data"
    ours.mkdir(parents=True)
    view = survey(machine, hidden=[ours], mounts=ROOT_MOUNT, can_redirect=True)
    assert "\n".join(map(str, view.over_root)) == (
        "empty /home 755\n"
        "empty /proc 755\n"
        "absent /swapfile\n"
        "empty /tmp 1777\n"
        "absent /work\n"
        "file /.dockerenv 755\n"
        "folder /opt 755\n"
        "folder /opt/pycompose 755\n"
        "absent /opt/pycompose/data"
    )
    assert "\n".join(map(str, view.skeleton)) == (
        "folder /run 755\n"
        "folder /run/db 755 70:70\n"
        "folder /var 755\n"
        "folder /var/lib 755\n"
        "folder /var/lib/dpkg 755\n"
        "folder /var/lib/mysql 755\n"
        "link /var/run -> /run"
    )
    assert "\n".join(map(str, view.shown_of_var)) == (
        "folder /var/lib 755\nfolder /var/lib/dpkg 755 -> /var/lib/dpkg"
    )
    assert view.inner_binds == ()


def test_file_systems_below_the_allow_list_are_bound(machine: Path):
    top = str(machine)
    mounts = (
        *ROOT_MOUNT,
        MountPoint(f"{top}/usr", "ext4"),
        MountPoint(f"{top}/usr/share/big", "nfs"),
        MountPoint(f"{top}/opt/proc", "proc"),
        MountPoint(f"{top}/home", "ext4"),
        MountPoint(f"{top}/var", "xfs"),
    )
    view = survey(machine, hidden=[], mounts=mounts, can_redirect=True)
    assert view.inner_binds == (
        (f"{top}/usr", "/usr"),
        (f"{top}/usr/share/big", "/usr/share/big"),
        (f"{top}/var/lib/dpkg", "/var/lib/dpkg"),
    )


def test_a_file_system_that_holds_our_root_is_not_bound(machine: Path):
    mounts = (*ROOT_MOUNT, MountPoint(f"{machine}/opt", "ext4"))
    view = survey(machine, hidden=[machine / "opt/data"], mounts=mounts, can_redirect=True)
    assert view.inner_binds == ()


@pytest.mark.kernel
@pytest.mark.parametrize("way", ["redirect", "second lower", "copy"])
def test_each_way_to_bring_the_template_in_shows_the_same(
    machine: Path, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(host, "follows_redirects", lambda: way == "redirect")
    data = {
        "redirect": machine / "opt" / "ours",
        "second lower": Path(f"/dev/shm/{CANARY}"),
        "copy": tmp_path / "elsewhere",
    }[way]
    paths = Paths(data / "data", data / "run")
    paths.data.parent.mkdir(parents=True)
    ensure_directories(paths)
    try:
        root = root_of(HostImage(paths, top=machine, mounts=ROOT_MOUNT), paths)
        assert len(root.lowers) == (2 if way == "second lower" else 1)
        listing = run_in(root, "find . -mindepth 1 | sort", chroot=False)
    finally:
        shutil.rmtree(data)
    ours = ["./opt/ours"] if way == "redirect" else []
    assert sorted(listing.split()) == sorted(
        [
            *("./.dockerenv", "./bin", "./etc", "./etc/passwd", "./etc/shadow", "./etc/ssl"),
            *("./etc/hostname", "./etc/hosts", "./etc/mtab", "./etc/resolv.conf", "./home"),
            *(
                "./opt",
                "./opt/app",
                "./proc",
                "./run",
                "./run/db",
                "./tmp",
                "./usr",
                "./usr/bin",
                "./var",
                "./var/lib",
            ),
            *("./var/lib/dpkg", "./var/lib/dpkg/status", "./var/lib/mysql", "./var/run", *ours),
        ]
    )


def test_the_template_is_made_once_and_again_after_a_change(machine: Path, paths: Paths):
    ensure_directories(paths)

    def templates() -> int:
        HostImage(paths, top=machine, mounts=ROOT_MOUNT).prepare()
        return len(list((paths.images / "host").glob("[0-9a-f]*")))

    assert (templates(), templates()) == (1, 1)
    (machine / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/bash\n")
    assert templates() == 2


def test_templates_that_nobody_uses_or_has_chosen_lately_go(machine: Path, paths: Paths):
    ensure_directories(paths)

    def choose() -> Path:
        return HostImage(paths, top=machine, mounts=ROOT_MOUNT).prepare().path

    def template_of_change(text: str) -> Path:
        (machine / "etc" / "passwd").write_text(text)
        return choose()

    def grow_old(*templates: Path) -> None:
        for template in templates:
            os.utime(template, (0, 0))

    unused, used, chosen = map(template_of_change, ("1", "2", "3"))
    grow_old(unused, used)
    folder = paths.container("c1")
    folder.mkdir()
    (folder / "template").symlink_to(used.name)
    newest = template_of_change("4")
    assert {*newest.parent.iterdir()} == {used, chosen, newest}
    grow_old(used, chosen, newest)
    assert choose() == newest
    last = template_of_change("5")
    assert {*newest.parent.iterdir()} == {used, newest, last}


@pytest.mark.kernel
@pytest.mark.parametrize("what", ["/tmp that is its own", "template that was lost"])
def test_nothing_that_a_container_did_makes_its_upper_pass_for_one_that_hides(
    paths: Paths, canaries: list[Path], what: str
):
    """An upper of its own making has opaque folders, too."""
    ensure_directories(paths)
    image, folder = HostImage(paths), paths.container("c1")
    root = root_of(image, paths)
    run_in(root, "rm -r /tmp /srv; mkdir /tmp /srv; mv /etc /gone; mv /gone /etc")
    if what == "template that was lost":
        shutil.rmtree(paths.images / "host" / os.readlink(folder / "template"))
        image = HostImage(paths)
    root = image.root_filesystem(folder / "upper", folder / "work")
    assert run_in(root, f"cat /root/{CANARY} 2>/dev/null || echo gone") == "gone\n"
    assert run_in(root, "cat /etc/passwd") == Path("/etc/passwd").read_text()


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("follows", "fault"), [(True, "choose host template"), (False, "name host upper")]
)
def test_a_killed_preparation_leaves_no_upper_that_shows_too_much(
    paths: Paths, canaries: list[Path], follows: bool, fault: str
):
    """R12: without its whiteouts an upper would show what they hide."""
    script = (
        "from pathlib import Path\n"
        "from runtime.paths import find_paths\n"
        "from runtime.images import host\n"
        "import os\n"
        f"host.follows_redirects = lambda: {follows}\n"
        "image, folder = host.HostImage(find_paths(os.environ)), Path(os.environ['FOLDER'])\n"
        "image.root_filesystem(folder / 'upper', folder / 'work')\n"
    )
    folder = paths.container("c1")
    (folder / "work").mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PYCOMPOSE_ROOT": str(paths.data.parent),
        "FOLDER": str(folder),
        "PYCOMPOSE_FAULT": f"cli/{fault}/before:kill",
    }
    killed = subprocess.run([sys.executable, "-c", script], env=environment)
    assert killed.returncode == -9
    root = HostImage(paths).root_filesystem(folder / "upper", folder / "work")
    assert run_in(root, f"cat /root/{CANARY} 2>/dev/null || echo gone") == "gone\n"


def lay_as_before(upper: Path, image: HostImage) -> None:
    """What the first versions did: everything that hides lay in the upper itself."""
    upper.mkdir(exist_ok=True)
    other = image.root_filesystem(upper.with_name("other"), upper)
    lay_entries(str(upper), [Entry(*entry) for entry in other.laid])


@pytest.mark.kernel
@pytest.mark.parametrize("made_by", ["its command", "its supervisor alone"])
def test_an_upper_of_an_earlier_version_goes_on(paths: Paths, canaries: list[Path], made_by: str):
    image, folder = HostImage(paths), paths.container("c1")
    (folder / "work").mkdir(parents=True)
    lay_as_before(folder / "upper", image)
    if made_by == "its command":
        (folder / "template").unlink()
    root = image.root_filesystem(folder / "upper", folder / "work")
    assert root.laid == ()
    assert run_in(root, f"cat /etc/passwd /root/{CANARY} 2>/dev/null || true") == (
        Path("/etc/passwd").read_text()
    )


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("passwd", 0o100644, True),
        ("shadow", 0o100640, False),
        ("shadow-", 0o100644, False),
        ("server.key", 0o100644, False),
        ("ssh_host_rsa_key", 0o100644, False),
        ("ssh_host_rsa_key.pub", 0o100644, True),
        ("sudoers", 0o100444, False),
        ("sudoers.d", 0o040755, False),
        ("ssl", 0o040755, True),
        ("private", 0o040710, False),
        ("listable", 0o040754, False),
        ("socket", 0o140777, False),
        ("pipe", 0o010644, False),
        ("link", 0o120777, True),
    ],
)
def test_public_is_what_every_user_may_read(name: str, mode: int, expected: bool):
    status = os.stat_result((mode, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    assert is_public(name, status) is expected


def test_the_host_image_is_a_shell_of_this_machine(paths: Paths):
    record = Images(paths).find("host")
    assert record is not None
    assert record.config == host_config()
    assert (record.name, record.config.command, record.config.environment) == (
        "host",
        ("/bin/sh",),
        ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",),
    )
    assert record.id.startswith("sha256:")
