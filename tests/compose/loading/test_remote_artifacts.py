"""Compose projects in registries: a real one on loopback, and one that does as it is told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compose.artifacts import open_remote
from compose.errors import ComposeError
from compose.loading.pipeline import load
from compose.loading.request import LoadRequest
from compose.model.project import Project
from tests.fakes import published, registries, scripted_registry
from tests.fakes.published import compose_file, env_file
from tests.fakes.registries import Registry
from tests.fakes.scripted_registry import ScriptedRegistry

WEB = compose_file("services:\n  web:\n    image: a\n    volumes: ['./data:/d']\n")
OVERRIDE = compose_file("services:\n  web:\n    image: b\n", "compose.override.yaml")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registries.serve(tmp_path_factory.mktemp("registry") / "r") as registry:
        yield registry


@pytest.fixture
def told() -> Iterator[ScriptedRegistry]:
    with scripted_registry.serve() as registry:
        yield registry


def loaded(folder: Path, *files: str, **more: str) -> Project:
    own = folder / "own"
    own.mkdir(exist_ok=True)
    environment = {
        "HOME": str(folder),
        "PYCOMPOSE_ROOT": str(folder / "root"),
        "PYCOMPOSE_REMOTE_TIMEOUT": "20",
        **more,
    }
    remote = open_remote(environment)
    return load(
        LoadRequest(files=files, cwd=str(own), environment=environment, remote=remote)
    ).project


def said(folder: Path, *files: str, **more: str) -> str:
    with pytest.raises(ComposeError) as caught:
        loaded(folder, *files, **more)
    return "\n".join(map(str, caught.value.faults))


# --- a real registry


@pytest.mark.servers
@pytest.mark.parametrize("form", [{}, {"old": True}, {"app": True}], ids=["1.1", "1.0", "app"])
def test_a_published_project_is_loaded(form: dict[str, Any], tmp_path, registry):
    name = f"shop/{len(form)}{''.join(form)}:1"
    published.publish(registry, name, WEB, OVERRIDE, **form)

    project = loaded(tmp_path, f"oci://{registry.host}/{name}")

    copy = project.working_dir
    assert (project.name, project.services["web"].image) == ("own", "b")
    assert project.services["web"].volumes[0].source == f"{copy}/data"
    assert project.files == (f"{copy}/compose.yaml", f"{copy}/compose.override.yaml")
    assert copy.startswith(f"{tmp_path}/root/remote/")


@pytest.mark.servers
def test_what_extends_and_env_file_name_lies_beside_it(tmp_path, registry):
    published.publish(
        registry,
        "more:1",
        compose_file("services: {web: {extends: {file: ab12, service: base}, env_file: [cd34]}}\n"),
        compose_file("services: {base: {image: c}}\n", "ab12", extended=True),
        compose_file("services: {base: {image: c}}\n", "ab12", extended=True),
        env_file("A=1\n", "cd34"),
    )
    project = loaded(tmp_path, f"oci://{registry.host}/more:1")

    assert (project.services["web"].image, project.services["web"].environment) == ("c", {"A": "1"})
    assert [os.path.basename(path) for path in project.files] == ["compose.yaml"]


@pytest.mark.servers
def test_include_and_extends_name_an_artifact(tmp_path, registry):
    published.publish(registry, "base:1", WEB, OVERRIDE)
    own = tmp_path / "own"
    own.mkdir()
    address = f"oci://{registry.host}/base:1"
    (own / "compose.yaml").write_text(
        f"include: ['{address}']\nservices: {{own: {{extends: {{file: '{address}', service: web}}}}}}\n"
    )
    project = loaded(tmp_path)

    assert {name: service.image for name, service in project.services.items()} == {
        "own": "b",
        "web": "b",
    }
    assert project.services["own"].volumes == project.services["web"].volumes


@pytest.mark.servers
def test_an_error_names_the_artifact_its_file_and_the_line(tmp_path, registry):
    wrong = compose_file("services:\n  web:\n    imge: b\n", "compose.prod.yaml")
    published.publish(registry, "wrong:1", WEB, wrong)

    assert said(tmp_path, f"oci://{registry.host}/wrong:1") == (
        f"oci://{registry.host}/wrong:1:compose.prod.yaml:3:5: error E030: unknown attribute `imge` in services.web\n"
        "  3 |     imge: b\n"
        "    |     ^^^^\n"
        "   at services.web.imge\n"
        "hint: did you mean `image`?"
    )


@pytest.mark.servers
def test_what_is_not_there_is_told_at_the_place_that_names_it(tmp_path, registry):
    own = tmp_path / "own"
    own.mkdir()
    (own / "compose.yaml").write_text(f"include:\n  - oci://{registry.host}/none:1\n")

    assert said(tmp_path).splitlines() == [
        f"{own}/compose.yaml:2:5: error E545: {registry.host}/none:1 is not in the registry: status 404",
        f"  2 |   - oci://{registry.host}/none:1",
        "    |     " + "^" * len(f"oci://{registry.host}/none:1"),
        f"hint: check name and tag; a private repository may need `pycompose login {registry.host}`",
    ]


# --- one that does as it is told


def test_a_copy_is_fetched_once(tmp_path, told):
    digest = published.add(told, "shop:1", WEB, OVERRIDE)
    first = loaded(tmp_path, f"oci://{told.host}/shop:1")
    told.forget()

    assert loaded(tmp_path, f"oci://{told.host}/shop:1").files == first.files
    assert told.asked == ["HEAD shop/manifests/1"]
    told.forget()
    assert loaded(tmp_path, f"oci://{told.host}/shop@{digest}").files == first.files
    assert told.asked == []


def test_a_new_version_has_a_copy_of_its_own(tmp_path, told):
    published.add(told, "shop:1", WEB)
    before = loaded(tmp_path, f"oci://{told.host}/shop:1")
    published.add(told, "shop:1", compose_file("services: {other: {image: a}}\n"))

    after = loaded(tmp_path, f"oci://{told.host}/shop:1")

    assert list(after.services) == ["other"]
    assert os.path.dirname(before.working_dir) == os.path.dirname(after.working_dir)


def test_two_files_of_one_name_are_both_merged(tmp_path, told):
    published.add(told, "shop:1", WEB, compose_file("services: {web: {image: z}}\n"))

    project = loaded(tmp_path, f"oci://{told.host}/shop:1")

    assert project.services["web"].image == "z"
    assert [os.path.basename(path) for path in project.files] == ["compose.yaml", "2-compose.yaml"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "..", ".", "", ".order", "a\\b", "a\nb"])
@pytest.mark.parametrize("make", [compose_file, env_file])
def test_a_file_lies_in_its_folder_whatever_its_name(make, name, tmp_path, told):
    layer = make("x: 1\n", name)
    published.add(told, "shop:1", WEB, layer)

    text = said(tmp_path, f"oci://{told.host}/shop:1")

    assert text.startswith("error E006: the artifact names a file `")
    assert [path for path in (tmp_path / "root").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"artifactType": "application/x"}, "{name} is no `{project}`, but `application/x`"),
        ({"old": True, "config": {"mediaType": "a/b"}}, "{name} is no `{project}`, but `a/b`"),
        ({"layers": []}, "the artifact holds no Compose file"),
        ({"layers": 7}, "the manifest has no list of layers"),
        ({"layers": [7]}, "the manifest has no list of layers"),
        ({"layers": [{}] * 301}, "the artifact has 301 parts; 300 are allowed"),
        ({"layers": [{"digest": "../../x", "size": 1}]}, "`../../x` is no digest"),
        (
            {"layers": [{"digest": "sha256:" + "0" * 64, "size": 1 << 40}]},
            "a part of the artifact has not at most 16777216 bytes",
        ),
        (
            {"layers": [{"digest": "sha256:" + "0" * 64, "size": -1}]},
            "a part of the artifact has not at most 16777216 bytes",
        ),
        ({"manifests": []}, "{name} is an index without `{project}`"),
        ({"manifests": 7}, "{name} is an index without `{project}`"),
    ],
)
def test_what_is_no_compose_project_is_refused(changes, text, tmp_path, told):
    published.add(told, "shop:1", WEB, **changes)

    name = f"{told.host}/shop:1"
    expected = text.replace("{name}", name).replace("{project}", published.PROJECT)
    assert said(tmp_path, f"oci://{name}").splitlines()[0].partition(": ")[2] == expected


def test_a_manifest_that_is_no_json_is_refused(tmp_path, told):
    told.put("shop", "1", b"[" * 100_000, published.MANIFEST)
    assert said(tmp_path, f"oci://{told.host}/shop:1").startswith(
        "error E530: the manifest is no JSON"
    )


def test_a_part_that_is_not_what_was_announced_is_refused(tmp_path, told):
    published.add(told, "shop:1", WEB)
    told.blobs[published.digest_of(WEB.data)] = b"services: {evil: {image: a}}\n".ljust(
        len(WEB.data)
    )

    assert said(tmp_path, f"oci://{told.host}/shop:1").startswith("error E511")
    assert not list((tmp_path / "root").rglob("compose.yaml"))


def test_a_registry_that_says_nothing_is_left_at_the_deadline(tmp_path, told):
    published.add(told, "shop:1", WEB)
    told.faults.append(lambda handler: not handler.registry.released.wait(60) or True)
    before = time.monotonic()

    text = said(tmp_path, f"oci://{told.host}/shop:1", PYCOMPOSE_REMOTE_TIMEOUT="1")

    told.released.set()
    assert text == f"error E549: {told.host} did not send {told.host}/shop:1 within 1 s"
    assert time.monotonic() - before < 10


def test_a_name_that_cannot_be_one_is_told(tmp_path):
    assert said(tmp_path, "oci://HOST/Shop:1").startswith("error E503: invalid image name")


def test_the_switch_turns_it_off(tmp_path):
    assert said(tmp_path, "oci://host/shop:1", COMPOSE_EXPERIMENTAL_OCI_REMOTE="false") == (
        "error E009: oci://host/shop:1 is not fetched: COMPOSE_EXPERIMENTAL_OCI_REMOTE is false\n"
        "hint: unset COMPOSE_EXPERIMENTAL_OCI_REMOTE"
    )


def test_an_artifact_does_not_read_beside_its_folder(tmp_path, told):
    (tmp_path / "root" / "remote").mkdir(parents=True)
    (tmp_path / "root" / "remote" / "x.yaml").write_text("services: {a: {image: a}}\n")
    published.add(told, "shop:1", compose_file("include: [../../x.yaml]\n"))

    assert "error E006: `../../x.yaml` leads out of the remote project" in said(
        tmp_path, f"oci://{told.host}/shop:1"
    )
