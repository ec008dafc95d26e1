"""A service that starts from another, in its document or in another file."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose.errors import InvalidFile
from compose.loading.pipeline import load
from compose.loading.request import LoadRequest
from compose.model.project import Project


def loaded(folder: Path, **files: str) -> Project:
    """Files by name, with `__` for a folder and `_` for a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = {"HOME": "/home/me", "PYCOMPOSE_ROOT": str(folder / "root")}
    request = LoadRequest(cwd=str(folder), environment=environment, normalize=False)
    return load(request).project


def said(folder: Path, **files: str) -> str:
    with pytest.raises(InvalidFile) as caught:
        loaded(folder, **files)
    return "\n".join(
        f"{fault.where!r} {fault.code} {fault.message}" for fault in caught.value.faults
    )


def test_everything_is_inherited_but_what_the_service_says_itself(tmp_path: Path):
    project = loaded(
        tmp_path,
        compose_yaml="""
services:
  base: {image: a, command: [x], environment: {A: 1, B: 1}, profiles: [p], cap_add: [K]}
  web: {extends: base, image: b, environment: [B=2], cap_add: [L]}
  top: {extends: {service: web}, command: ~}
""",
    )
    web, top = project.all_services["web"], project.all_services["top"]
    assert (web.image, web.command, web.profiles, web.cap_add) == ("b", ("x",), ("p",), ("K", "L"))
    assert web.environment == {"A": "1", "B": "2"}
    assert (top.image, top.command) == ("b", None)


def test_paths_of_another_file_count_from_its_folder_and_through_two_files(tmp_path: Path):
    project = loaded(
        tmp_path,
        compose_yaml="services: {web: {extends: {file: a/b.yaml, service: s}}}",
        a__b_yaml="services: {s: {extends: {file: ../c/d.yaml, service: s}, volumes: ['./x:/x', '~/h:/h']}}",
        c__d_yaml="services: {s: {image: i, build: src, env_file: [], volumes: ['./y:/y']}}",
    )
    web = project.services["web"]
    assert web.build is not None
    assert [mount.source for mount in web.volumes] == [
        f"{tmp_path}/c/y", f"{tmp_path}/a/x", "/home/me/h",
    ]  # fmt: skip
    assert web.build.context == f"{tmp_path}/c/src"


def test_a_reset_of_the_service_strips_the_base_and_so_does_one_in_the_other_file(tmp_path: Path):
    project = loaded(
        tmp_path,
        compose_yaml="""
services:
  web:
    extends: {file: b.yaml, service: middle}
    ports: !reset []
    labels: !override {only: mine}
""",
        b_yaml="""
services:
  middle: {extends: base, environment: {A: !reset null, B: 2}, tty: !reset true}
  base: {image: a, ports: ["80"], labels: {x: y}, environment: {A: 1, C: 3}, tty: true}
""",
    )
    web = project.services["web"]
    assert (web.ports, web.labels, web.tty) == ((), {"only": "mine"}, False)
    assert web.environment == {"B": "2", "C": "3"}


def test_each_service_is_resolved_once_however_many_start_from_it(tmp_path: Path):
    links = "".join(f"  s{n}: {{extends: s{n - 1}, cap_add: [C{n}]}}\n" for n in range(1, 60))
    project = loaded(tmp_path, compose_yaml=f"services:\n  s0: {{image: a}}\n{links}")
    assert len(project.services["s59"].cap_add) == 59


def test_a_base_that_is_not_there_is_told_with_the_nearest_name(tmp_path: Path):
    text = "services: {web: {extends: bse, image: a}, base: {image: b}}"
    assert said(tmp_path, compose_yaml=text) == (
        "compose.yaml:1:27 E050 the service `bse` to extend does not exist"
    )


def test_a_circle_is_told_once_for_all_its_services(tmp_path: Path):
    text = "services:\n  a: {extends: b}\n  b: {extends: c}\n  c: {extends: a}\n"
    assert said(tmp_path, compose_yaml=text) == (
        "compose.yaml:2:7 E061 services extend each other in a circle: a -> b -> c -> a"
    )


def test_values_tell_which_service_took_them_over(tmp_path: Path):
    project = loaded(tmp_path, compose_yaml="services: {web: {extends: base}, base: {image: a}}")
    origin = project.origins[("services", "web", "image")]
    assert [step.kind for step in origin.how] == ["extends"]
