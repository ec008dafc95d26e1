"""Which files, which folder, which variables, which name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compose.errors import ComposeError
from compose.loading.pipeline import load
from compose.loading.request import Loaded, LoadRequest

SERVICES = "services: {web: {image: 'a:${TAG:-0}'}}\n"


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, text: str = SERVICES) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def loaded(cwd: Path, environment: dict[str, str] | None = None, **request: object) -> Loaded:
    shell = {"HOME": "/home/me", "PYCOMPOSE_ROOT": str(cwd / "root"), **(environment or {})}
    return load(LoadRequest(cwd=str(cwd), environment=shell, **request))


def refused(cwd: Path, environment: dict[str, str] | None = None, **request: object) -> str:
    with pytest.raises(ComposeError) as caught:
        loaded(cwd, environment, **request)
    return f"{caught.value.code} {caught.value.message}"


def names(project_files: tuple[str, ...], folder: Path) -> list[str]:
    return [str(Path(file).relative_to(folder)) for file in project_files]


def test_the_file_of_the_nearest_folder_above_is_taken_with_its_override(tmp_path: Path, write):
    write("docker-compose.yml")
    write("compose.yaml")
    write("compose.override.yaml", "services: {web: {tty: true}}\n")
    (tmp_path / "a/b").mkdir(parents=True)
    found = loaded(tmp_path / "a/b")
    assert names(found.project.files, tmp_path) == ["compose.yaml", "compose.override.yaml"]
    assert found.project.working_dir == str(tmp_path)
    assert [fault.message for fault in found.warnings] == [
        f"Found multiple config files with supported names: {tmp_path}/compose.yaml, {tmp_path}/docker-compose.yml",
        f"Using {tmp_path}/compose.yaml",
    ]


def test_named_files_come_without_override_and_the_first_says_the_folder(tmp_path: Path, write):
    write("a/x.yaml")
    write("b/y.yaml", "services: {web: {volumes: ['./d:/d']}}\n")
    write("a/compose.override.yaml", "services: {web: {tty: true}}\n")
    project = loaded(tmp_path, files=("a/x.yaml", "b/y.yaml")).project
    assert project.working_dir == f"{tmp_path}/a"
    assert project.services["web"].volumes[0].source == f"{tmp_path}/a/d"
    assert not project.services["web"].tty


def test_the_variable_names_files_in_the_shell_or_in_the_env_file(tmp_path: Path, write):
    write("a.yaml")
    write("b.yaml", "services: {db: {image: b}}\n")
    assert names(loaded(tmp_path, {"COMPOSE_FILE": "a.yaml:b.yaml"}).project.files, tmp_path) == [
        "a.yaml",
        "b.yaml",
    ]
    write(".env", "COMPOSE_FILE=a.yaml;b.yaml\nCOMPOSE_PATH_SEPARATOR=;\n")
    assert sorted(loaded(tmp_path).project.services) == ["db", "web"]


def test_the_shell_wins_over_the_env_file_and_that_of_the_project_fills_gaps(tmp_path: Path, write):
    write("p/compose.yaml", "services: {web: {image: '${A}-${B}-${C:-none}'}}\n")
    write("p/.env", "A=p\nB=p\n")
    write(".env", "C=cwd\n")
    image = (
        loaded(tmp_path, {"A": "shell"}, files=("p/compose.yaml",)).project.services["web"].image
    )
    assert image == "shell-p-none"


def test_named_env_files_replace_the_default_one_and_later_ones_win(tmp_path: Path, write):
    write("compose.yaml")
    write(".env", "TAG=default\n")
    write("one.env", "TAG=1\nX=1\n")
    write("two.env", "TAG=$X$TAG\n")
    both = {"env_files": ("one.env", "two.env")}
    assert loaded(tmp_path, **both).project.services["web"].image == "a:11"
    assert loaded(tmp_path, {"COMPOSE_ENV_FILES": "one.env"}).project.services["web"].image == "a:1"
    assert (
        loaded(tmp_path, {"COMPOSE_DISABLE_ENV_FILE": "1"}).project.services["web"].image == "a:0"
    )
    assert (
        refused(tmp_path, env_files=("no.env",))
        == f"E003 couldn't find env file: {tmp_path}/no.env"
    )


def test_without_a_file_anywhere_above_that_is_said(tmp_path: Path):
    assert refused(tmp_path).startswith(f"E001 there is no compose.yaml in {tmp_path}")


@pytest.mark.parametrize(
    ("environment", "asked", "text", "name"),
    [
        ({}, "", "", "my_app"),
        ({}, "", "name: From-File\n", "from-file"),
        ({}, "", "name: '${X:-v}ar'\n", "var"),
        ({"COMPOSE_PROJECT_NAME": "env"}, "", "name: file\n", "env"),
        ({"COMPOSE_PROJECT_NAME": "env"}, "flag", "name: file\n", "flag"),
    ],
)
def test_the_name_is_the_flag_s_the_variable_s_the_file_s_or_the_folder_s(
    tmp_path: Path, write, environment, asked, text, name
):
    write("_My_App/compose.yaml", text + "services: {web: {image: '$COMPOSE_PROJECT_NAME'}}\n")
    project = loaded(tmp_path / "_My_App", environment, project_name=asked).project
    assert (project.name, project.services["web"].image) == (name, name)


def test_a_name_that_cannot_be_is_said_before_a_file_is_missed(tmp_path: Path):
    assert refused(tmp_path, project_name="My App").startswith("E004 `My App` cannot be")
    assert refused(tmp_path, {"COMPOSE_PROJECT_NAME": "-"}).startswith("E004 `-` cannot be")
    assert refused(tmp_path, project_name="app").startswith("E001 ")


def test_a_name_that_was_asked_for_must_be_normal(tmp_path: Path, write):
    write("compose.yaml")
    assert refused(tmp_path, project_name="My App").startswith(
        "E004 `My App` cannot be a project's name"
    )
    assert refused(tmp_path, {"COMPOSE_PROJECT_NAME": "-"}).startswith("E004 `-` cannot be")


def test_profiles_are_those_asked_for_or_of_the_variable_and_naming_activates(
    tmp_path: Path, write
):
    text = "services: {web: {image: a}, dbg: {image: a, profiles: [debug]}, x: {image: a, profiles: [x]}}\n"
    write("compose.yaml", text)

    def active(environment: dict[str, str] | None = None, **request: object) -> list[str]:
        return sorted(loaded(tmp_path, environment, **request).project.services)

    assert active() == ["web"]
    assert active({"COMPOSE_PROFILES": " debug ,, other"}) == ["dbg", "web"]
    assert active({"COMPOSE_PROFILES": "debug"}, profiles=("x",)) == ["web", "x"]
    assert active(profiles=("*",)) == ["dbg", "web", "x"]
    assert active(services=("dbg",)) == ["dbg"]
    assert refused(tmp_path, services=("dgb",)) == "E050 no such service: dgb"


def test_a_folder_has_the_name_by_which_the_shell_reached_it(tmp_path: Path, write, monkeypatch):
    """As Docker Compose: a deployment's `current` is one project, whichever release it leads to."""
    write("release-5/compose.yaml", "services: {web: {image: a, volumes: ['./d:/d']}}\n")
    link = tmp_path / "current"
    link.symlink_to("release-5")
    monkeypatch.chdir(link)

    monkeypatch.setenv("PWD", str(link))
    by_link = load(LoadRequest(environment={"PYCOMPOSE_ROOT": str(tmp_path / "root")}))
    monkeypatch.setenv("PWD", str(tmp_path))
    by_folder = load(LoadRequest(environment={"PYCOMPOSE_ROOT": str(tmp_path / "root")}))

    assert (by_link.project.name, by_link.project.working_dir) == ("current", str(link))
    assert by_link.project.services["web"].volumes[0].source == f"{link}/d"
    assert [fault.message for fault in by_link.warnings] == [
        'project has been loaded without an explicit name from a symlink. Using name "current"'
    ]
    assert (by_folder.project.name, by_folder.warnings) == ("release-5", ())


def test_a_name_that_is_written_is_that_of_no_link(tmp_path: Path, write, monkeypatch):
    write("release-5/compose.yaml", "name: shop\nservices: {web: {image: a}}\n")
    link = tmp_path / "current"
    link.symlink_to("release-5")
    monkeypatch.chdir(link)
    monkeypatch.setenv("PWD", str(link))

    found = load(LoadRequest(environment={"PYCOMPOSE_ROOT": str(tmp_path / "root")}))

    assert (found.project.name, found.warnings) == ("shop", ())


def test_a_file_is_named_by_its_place_below_the_folder_whichever_its_name(
    tmp_path: Path, write, monkeypatch
):
    write("release-5/compose.yaml", "services: {web: {imge: a}}\n")
    link = tmp_path / "current"
    link.symlink_to("release-5")
    monkeypatch.chdir(link)
    monkeypatch.setenv("PWD", str(link))

    for file in (), (str(link / "compose.yaml"),), (str(tmp_path / "release-5/compose.yaml"),):
        with pytest.raises(ComposeError) as caught:
            load(LoadRequest(files=file, environment={"PYCOMPOSE_ROOT": str(tmp_path / "root")}))
        assert str(caught.value.faults[0].where) == "compose.yaml:1:18"


def test_what_a_shell_puts_in_place_of_a_command_is_read_however_often(tmp_path: Path, write):
    """`--env-file <(sops -d secrets.env)`: a pipe, of which each byte can be had once."""
    write("compose.yaml")
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write("TAG=from-a-pipe\n")
    for _ in range(2):
        found = loaded(tmp_path, env_files=(f"/dev/fd/{reading}",))
        assert found.project.services["web"].image == "a:from-a-pipe"
    os.close(reading)
