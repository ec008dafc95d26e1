"""Other models, resolved whole before they are taken in."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose.errors import InvalidFile
from compose.loading.pipeline import load
from compose.loading.request import LoadRequest
from compose.model.project import Project


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def loaded(folder: Path, **environment: str) -> Project:
    shell = {"HOME": "/home/me", "PYCOMPOSE_ROOT": str(folder / "root"), **environment}
    return load(LoadRequest(cwd=str(folder), environment=shell)).project


def said(folder: Path) -> str:
    with pytest.raises(InvalidFile) as caught:
        loaded(folder)
    return "\n".join(
        f"{fault.where!r} {fault.code} {fault.message}"
        + "".join(f"\n  {words} {position!r}" for words, position in fault.trail)
        for fault in caught.value.faults
    )


def test_all_resources_are_taken_in_with_paths_of_their_own_folder(tmp_path: Path, write):
    write("compose.yaml", "name: app\ninclude: [db/compose.yaml]\nservices: {web: {image: a}}\n")
    write(
        "db/compose.yaml",
        """
name: other
x-a: 1
services: {db: {image: b, volumes: ['./d:/d', 'data:/e'], secrets: [s], networks: [n]}}
volumes: {data: }
networks: {n: }
secrets: {s: {file: s.txt}}
""",
    )
    project = loaded(tmp_path)
    assert (project.name, sorted(project.services), project.extensions) == (
        "app",
        ["db", "web"],
        {},
    )
    assert project.services["db"].volumes[0].source == f"{tmp_path}/db/d"
    assert project.secrets["s"].file == f"{tmp_path}/db/s.txt"
    assert (project.volumes["data"].name, project.networks["n"].name) == ("app_data", "app_n")


def test_the_outer_environment_wins_and_the_env_of_the_folder_fills_gaps(tmp_path: Path, write):
    write(".env", "A=outer\n")
    write("compose.yaml", "include: [db/c.yaml]\nservices: {web: {image: 'w:${B:-none}'}}\n")
    write("db/.env", "A=inner\nB=inner\nC=$A\n")
    write("db/c.yaml", "services: {db: {image: '${A}-${B}-${C}'}}\n")
    project = loaded(tmp_path)
    assert project.services["db"].image == "outer-inner-outer"
    assert project.services["web"].image == "w:none"


def test_further_paths_are_overrides_and_the_project_directory_moves_the_base(
    tmp_path: Path, write
):
    write(
        "compose.yaml",
        "include: [{path: [a/c.yaml, b/over.yaml], project_directory: base, env_file: e.env}]\n",
    )
    write("e.env", "TAG=9\n")
    write("base/.env", "TAG=0\n")
    write("a/c.yaml", "services: {db: {image: 'a:${TAG}', volumes: ['./d:/d']}}\n")
    write("b/over.yaml", "services: {db: {hostname: h}}\n")
    db = loaded(tmp_path).services["db"]
    assert (db.image, db.hostname, db.volumes[0].source) == ("a:9", "h", f"{tmp_path}/base/d")


def test_a_service_may_extend_an_included_one(tmp_path: Path, write):
    write("compose.yaml", "include: [c.yaml]\nservices: {web: {extends: base, tty: true}}\n")
    write("c.yaml", "services: {base: {image: a}}\n")
    assert loaded(tmp_path).services["web"].image == "a"


def test_what_is_here_and_in_an_included_file_is_merged_and_the_including_one_wins(
    tmp_path: Path, write
):
    write(
        "compose.yaml",
        """
        include: [a/a.yaml, b.yaml]
        services:
          db:
            volumes: ['./mine:/mine']
            environment: {A: here}
            dns: !override [9.9.9.9]
            ports: !reset []
        volumes: {v: {name: mine}}
        """,
    )
    write(
        "a/a.yaml",
        """
        services:
          db:
            image: a
            volumes: ['./theirs:/theirs']
            environment: [A=there, B=there]
            dns: [8.8.8.8]
            ports: ['80']
        volumes: {same: }
        """,
    )
    write("b.yaml", "services: {db: {image: b, tty: true}}\nvolumes: {v: {driver: x}, same: }\n")
    project = loaded(tmp_path)
    db = project.services["db"]
    assert (db.image, db.tty, db.environment) == ("a", True, {"A": "here", "B": "there"})
    assert (db.dns, db.ports) == (("9.9.9.9",), ())
    assert {mount.source for mount in db.volumes} == {f"{tmp_path}/mine", f"{tmp_path}/a/theirs"}
    assert (project.volumes["v"].name, project.volumes["v"].driver) == ("mine", "x")


def test_what_is_wrong_in_an_included_file_says_how_the_loader_came_there(tmp_path: Path, write):
    write("compose.yaml", "include: [a/a.yaml]\n")
    write("a/a.yaml", "include:\n  - b.yaml\n")
    write("a/b.yaml", "services: {db: {imag: a}}\n")
    assert said(tmp_path) == (
        "b.yaml:1:17 E030 unknown attribute `imag` in services.db\n"
        "  included from a.yaml:2:5\n"
        "  included from compose.yaml:1:11"
    )


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("a.yaml", "compose.yaml:1:10 E031 `include` takes a list"),
        ("[{project_directory: .}]", "compose.yaml:1:11 E034 an item of `include` needs a `path`"),
        ("[[a.yaml]]", "compose.yaml:1:11 E031 an item of `include` is a path, or a mapping with `path`"),
        ("[{path: b.yaml, env_file: no.env}]", "compose.yaml:1:36 E003 the env file no.env does not exist"),
        ("[no.yaml]", "compose.yaml:1:11 E002 cannot read the file no.yaml: no such file or directory"),
    ],
)  # fmt: skip
def test_a_wrong_include_is_told_with_its_place(
    tmp_path: Path, write, monkeypatch, include, message
):
    monkeypatch.chdir(tmp_path)
    write("compose.yaml", f"include: {include}\nservices: {{web: {{image: a}}}}\n")
    write("b.yaml", "services: {b: {image: a}}\n")
    assert said(tmp_path) == message


def test_the_faults_of_every_item_are_told_in_one_run(tmp_path: Path, write):
    """Negative control: an item without a fault adds none."""
    write(
        "compose.yaml",
        """
include:
  - absent.yaml
  - good.yaml
  - bad.yaml
  - path: [open.yaml, gone.yaml]
  - pth: good.yaml
""",
    )
    write("good.yaml", "services: {good: {image: a}}\n")
    write("bad.yaml", "services: {bad: {imge: a}}\n")
    write("open.yaml", "services: [\n")
    assert said(tmp_path) == (
        f"compose.yaml:3:5 E002 cannot read the file {tmp_path}/absent.yaml: no such file or directory\n"
        "bad.yaml:1:18 E030 unknown attribute `imge` in services.bad\n"
        "  included from compose.yaml:5:5\n"
        "open.yaml:2:1 E010 this is no YAML: did not find expected node content\n"
        "  included from compose.yaml:6:12\n"
        f"compose.yaml:6:23 E002 cannot read the file {tmp_path}/gone.yaml: no such file or directory\n"
        "compose.yaml:7:5 E034 an item of `include` needs a `path`"
    )


def test_what_an_item_does_not_have_is_warned_of(tmp_path: Path, write):
    write(
        "compose.yaml",
        "include: [{path: a.yaml, env: b}]\nservices: {b: {extends: {service: a, fil: c}}}\n",
    )
    write("a.yaml", "services: {a: {image: a}}\n")
    shell = {"PYCOMPOSE_ROOT": str(tmp_path / "root")}
    found = load(LoadRequest(cwd=str(tmp_path), environment=shell))
    assert [(repr(fault.where), fault.message, fault.hint) for fault in found.warnings] == [
        (
            "compose.yaml:1:26",
            "unknown attribute `env` in include[0]: it is ignored",
            "it has path, project_directory, env_file",
        ),
        (
            "compose.yaml:2:38",
            "unknown attribute `fil` in services.b.extends: it is ignored",
            "did you mean `file`?",
        ),
    ]
