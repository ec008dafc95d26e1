"""Compose files of git repositories, fetched from real servers on loopback."""

from __future__ import annotations

import os
import select
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.errors import ComposeError, InvalidFile
from compose.loading.pipeline import load
from compose.loading.request import LoadRequest
from compose.model.project import Project
from compose.output.origins import annotated
from tests.fakes import git_servers
from tests.fakes.git_servers import Repository

pytestmark = pytest.mark.servers

FILES = {
    "compose.yaml": "services: {web: {image: a, volumes: ['./data:/d'], env_file: web.env}}\n",
    "web.env": "COLOUR=green\n",
    "deploy/docker-compose.yml": "services:\n  db:\n    image: b\n    volumes: ['./data:/d']\n",
    "deploy/broken.yaml": "services:\n  db:\n    imge: b\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "served" / "shop.git")
    repository.commit(FILES)
    repository.git("tag", "--annotate", "v1", "--message=x")
    return repository


@pytest.fixture
def url(shop: Repository) -> Iterator[str]:
    with git_servers.daemon(shop.folder.parent) as address:
        yield f"{address}/shop.git"


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {
        "HOME": str(folder / "home"),
        "PATH": "/usr/bin:/bin",
        "PYCOMPOSE_ROOT": str(folder / "root"),
        "PYCOMPOSE_REMOTE_TIMEOUT": "20",
        **more,
    }


def loaded(folder: Path, *files: str, project_directory: str = "", **more: str) -> Project:
    own = folder / "own"
    own.mkdir(exist_ok=True)
    return load(
        LoadRequest(
            files=files,
            cwd=str(own),
            project_directory=project_directory,
            environment=environment(folder, **more),
        )
    ).project


def said(folder: Path, *files: str, **more: str) -> str:
    with pytest.raises(ComposeError) as caught:
        loaded(folder, *files, **more)
    return "\n".join(map(str, caught.value.faults))


def copy_of(folder: Path, commit: str) -> str:
    (found,) = (folder / "root" / "remote").glob(f"*/{commit}")
    return str(found)


# --- what is found


@pytest.mark.parametrize("serve", [git_servers.daemon, git_servers.backend])
def test_a_repository_is_a_project_with_the_name_of_the_callers_folder(serve, tmp_path, shop):
    commit = shop.git("rev-parse", "HEAD")
    with serve(shop.folder.parent) as address:
        project = loaded(tmp_path, f"{address}/shop.git")

    copy = copy_of(tmp_path, commit)
    assert (project.name, project.working_dir) == ("own", copy)
    assert project.files == (f"{copy}/compose.yaml",)
    web = project.services["web"]
    assert (web.volumes[0].source, web.environment) == (f"{copy}/data", {"COLOUR": "green"})


@pytest.mark.parametrize(
    "ref", ["", "#main", "#refs/heads/main", "#v1", "?branch=main", "?tag=v1", "#HEAD"]
)
def test_a_branch_and_a_tag_lead_to_their_commit(ref, tmp_path, shop, url):
    assert list(loaded(tmp_path, f"{url}{ref}").services) == ["web"]
    assert os.listdir(next((tmp_path / "root" / "remote").iterdir())) == [
        shop.git("rev-parse", "HEAD")
    ]


def test_a_branch_moves_and_a_tag_stays(tmp_path, shop, url):
    before = loaded(tmp_path, url)
    shop.commit({"compose.yaml": "services: {other: {image: a}}\n"})

    assert list(loaded(tmp_path, f"{url}#v1").services) == list(before.services) == ["web"]
    assert list(loaded(tmp_path, f"{url}#main").services) == ["other"]


def test_a_branch_is_not_one_whose_name_ends_alike(tmp_path, shop, url):
    shop.git("checkout", "--quiet", "-b", "a/main")
    shop.commit({"compose.yaml": "services: {other: {image: a}}\n"})

    assert list(loaded(tmp_path, f"{url}#main").services) == ["web"]


@pytest.mark.parametrize("path", ["deploy", "deploy/", "./deploy", "deploy/docker-compose.yml"])
def test_a_folder_or_a_file_of_the_repository(path, tmp_path, shop, url):
    project = loaded(tmp_path, f"{url}#main:{path}")

    copy = copy_of(tmp_path, shop.git("rev-parse", "HEAD"))
    assert project.files == (f"{copy}/deploy/docker-compose.yml",)
    assert project.services["db"].volumes[0].source == f"{copy}/deploy/data"


def test_a_commit_that_is_here_needs_no_server(tmp_path, shop):
    commit = shop.git("rev-parse", "HEAD")
    with git_servers.daemon(shop.folder.parent) as address:
        loaded(tmp_path, f"{address}/shop.git#{commit}")

    assert list(loaded(tmp_path, f"{address}/shop.git#{commit}").services) == ["web"]
    assert "E007" in said(tmp_path, f"{address}/shop.git#main")


def test_a_checksum_must_be_that_of_the_commit(tmp_path, shop, url):
    commit = shop.git("rev-parse", "HEAD")
    assert list(loaded(tmp_path, f"{url}?commit={commit[:12]}").services) == ["web"]
    assert said(tmp_path, f"{url}?commit={'0' * 12}") == (
        f"error E007: cannot fetch {url}: it is at {commit[:12]}, not at {'0' * 12}"
    )


def test_a_remote_file_and_its_override_of_this_machine(tmp_path, url):
    override = tmp_path / "own.yaml"
    override.write_text("services: {web: {image: mine}}\n")

    project = loaded(tmp_path, url, str(override))

    assert project.services["web"].image == "mine"
    assert project.working_dir == os.path.dirname(project.files[0])


def test_a_project_directory_is_the_callers_wish(tmp_path, url):
    project = loaded(tmp_path, f"{url}#main:deploy", project_directory=str(tmp_path / "There"))

    assert project.services["db"].volumes[0].source == f"{tmp_path}/There/data"
    assert project.name == "there"


def test_variables_come_from_the_callers_folder(tmp_path, shop, url):
    shop.commit({"compose.yaml": "services: {web: {image: 'a:${TAG}'}}\n", ".env": "TAG=theirs\n"})
    own = tmp_path / "own"
    own.mkdir()
    (own / ".env").write_text("TAG=mine\n")

    assert loaded(tmp_path, url).services["web"].image == "a:mine"


def test_include_and_extends_name_remote_files(tmp_path, shop, url):
    shop.commit(
        {
            "base.yaml": "services: {base: {image: c, volumes: ['./b:/b'], extends: {file: more/x.yaml, service: x}}}\n"
        }
    )
    commit = shop.commit(
        {"more/x.yaml": "services: {x: {user: me, env_file: x.env}}\n", "more/x.env": "A=1\n"}
    )
    own = tmp_path / "own"
    own.mkdir()
    (own / "compose.yaml").write_text(
        f"""
include:
  - {url}#main:deploy
services:
  web:
    extends: {{file: "{url}#main:base.yaml", service: base}}
"""
    )
    project = loaded(tmp_path)

    copy = copy_of(tmp_path, commit)
    assert project.services["db"].volumes[0].source == f"{copy}/deploy/data"
    web = project.services["web"]
    assert (web.image, web.user, web.volumes[0].source, web.environment) == (
        "c",
        "me",
        f"{copy}/b",
        {"A": "1"},
    )
    assert project.working_dir == str(own)


def test_an_included_repository_brings_its_env_file(tmp_path, shop, url):
    shop.commit({"compose.yaml": "services: {web: {image: 'a:${TAG}'}}\n", ".env": "TAG=theirs\n"})
    own = tmp_path / "own"
    own.mkdir()
    (own / "compose.yaml").write_text(f"include: ['{url}']\n")

    assert loaded(tmp_path).services["web"].image == "a:theirs"


def test_files_of_a_repository_include_each_other(tmp_path, shop, url):
    shop.commit({"all.yaml": "include: [deploy/docker-compose.yml, ./compose.yaml]\n"})

    assert sorted(loaded(tmp_path, f"{url}#main:all.yaml").services) == ["db", "web"]


def test_many_loads_at_once_share_one_copy(tmp_path, shop, url):
    projects: list[Project] = []
    (tmp_path / "own").mkdir()
    threads = [
        threading.Thread(target=lambda: projects.append(loaded(tmp_path, url))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(projects) == 4
    assert len({project.working_dir for project in projects}) == 1
    (folder,) = (tmp_path / "root" / "remote").iterdir()
    assert os.listdir(folder) == [shop.git("rev-parse", "HEAD")]


# --- how errors and origins name it


def test_an_error_names_the_address_and_the_line(tmp_path, url):
    assert said(tmp_path, f"{url}#main:deploy/broken.yaml") == (
        f"{url}#main:deploy/broken.yaml:3:5: error E030: unknown attribute `imge` in services.db\n"
        "  3 |     imge: b\n"
        "    |     ^^^^\n"
        "   at services.db.imge\n"
        "hint: did you mean `image`?"
    )


def test_an_error_in_an_included_one_names_who_includes_it(tmp_path, url):
    own = tmp_path / "own"
    own.mkdir()
    (own / "compose.yaml").write_text(f"include:\n  - {url}#main:deploy/broken.yaml\n")

    assert said(tmp_path) == (
        f"{url}#main:deploy/broken.yaml:3:5: error E030: unknown attribute `imge` in services.db\n"
        "  3 |     imge: b\n"
        "    |     ^^^^\n"
        "   at services.db.imge\n"
        f"   included from {own}/compose.yaml:2:5\n"
        "hint: did you mean `image`?"
    )


def test_the_origin_of_a_value_names_the_address(tmp_path, url):
    project = loaded(tmp_path, f"{url}#main:deploy")

    assert annotated(project, ("services.db.image",)) == (
        f"services.db.image: b  # {url}#main:deploy/docker-compose.yml:3:12\n"
    )


def test_a_circle_is_told_in_the_names_of_the_files(tmp_path, shop, url):
    shop.commit({"a.yaml": "include: [b.yaml]\n", "b.yaml": "include: [a.yaml]\n"})

    assert said(tmp_path, f"{url}#main:a.yaml").splitlines()[0] == (
        f"{url}#main:b.yaml:1:11: error E062: files include each other in a circle:"
        f" {url}#main:a.yaml -> {url}#main:b.yaml -> {url}#main:a.yaml"
    )


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("#mian", ["error E007: {url} has no branch or tag `mian`", "hint: did you mean `main`?"]),
        ("#other", ["error E007: {url} has no branch or tag `other`", "hint: it has main, v1"]),
        (
            "#main:deplyo",
            [
                "error E001: there is no deplyo in {url}#main",
                "hint: did you mean {url}#main:deploy?",
            ],
        ),
        (
            "#main:deploy/web.yaml",
            ["error E001: there is no deploy/web.yaml in {url}#main"],
        ),
        (
            f"#{'0' * 40}",
            [
                "error E007: cannot fetch {url}#"
                + "0" * 40
                + ": upload-pack: not our ref "
                + "0" * 40
            ],
        ),
    ],
)
def test_what_is_not_there_is_named_with_what_is(name, lines, tmp_path, url):
    found = said(tmp_path, f"{url}{name}").replace("remote error: ", "")
    assert found == "\n".join(lines).replace("{url}", url)


def test_a_folder_without_a_compose_file(tmp_path, shop, url):
    shop.commit({"docs/a.txt": "x"})
    assert said(tmp_path, f"{url}#main:docs") == (
        f"error E001: there is no compose.yaml in {url}#main:docs\n"
        f"hint: name a folder or file of the repository: {url}#main:FOLDER"
    )


def test_a_repository_that_wants_a_login_asks_nobody(tmp_path, shop):
    with git_servers.backend(shop.folder.parent, password="x") as address:
        assert said(tmp_path, f"{address}/shop.git") == (
            f"error E007: cannot fetch {address}/shop.git: could not read Username for"
            f" '{address}': terminal prompts disabled\n"
            "hint: git needs a login and asks nobody here: store one with a credential helper"
        )


def test_a_password_in_an_address_is_used_and_not_shown(tmp_path, shop):
    with git_servers.backend(shop.folder.parent, password="x") as address:
        host = address.removeprefix("http://")
        project = loaded(tmp_path, f"http://me:secret@{host}/shop.git")
        refused = said(tmp_path, f"http://me:secret@{host}/shop.git#main:deploy/broken.yaml")

    assert list(project.services) == ["web"]
    assert refused.startswith(f"http://me@{host}/shop.git#main:deploy/broken.yaml:3:5: error E030")
    assert "secret" not in refused


# --- what must not happen


def test_a_server_that_says_nothing_is_left_at_the_deadline(tmp_path):
    before = time.monotonic()
    with git_servers.silence() as address:
        text = said(tmp_path, f"{address}/shop.git", PYCOMPOSE_REMOTE_TIMEOUT="1")

    assert text == (
        f"error E008: cannot fetch {address}/shop.git: its server did not send it in time\n"
        "hint: PYCOMPOSE_REMOTE_TIMEOUT gives it more seconds than 120"
    )
    assert time.monotonic() - before < 10
    assert list((tmp_path / "root").glob("remote/*/new-*")) == []


def test_what_git_started_ends_with_it(tmp_path):
    program = fake_git(tmp_path, 'sleep 600 & echo $! > "$HOME/pid"; wait')
    text = said(
        tmp_path, "git://host/shop", PATH=f"{program}:/usr/bin:/bin", PYCOMPOSE_REMOTE_TIMEOUT="1"
    )

    assert text.startswith("error E008")
    pid = (tmp_path / "home" / "pid").read_text().strip()
    assert has_ended(int(pid))


def test_git_hears_of_no_repository_of_the_caller_and_of_no_option(tmp_path):
    program = fake_git(tmp_path, 'env > "$HOME/env"; echo "$@" > "$HOME/words"; exit 1')
    said(
        tmp_path,
        "git://host/shop",
        PATH=f"{program}:/usr/bin:/bin",
        GIT_DIR="/x",
        GIT_WORK_TREE="/x",
        GIT_TEMPLATE_DIR="/x",
        HTTPS_PROXY="http://proxy",
    )
    seen = dict(line.split("=", 1) for line in (tmp_path / "home" / "env").read_text().splitlines())

    assert {"GIT_DIR", "GIT_WORK_TREE", "GIT_TEMPLATE_DIR"} & seen.keys() == set()
    assert {
        key: seen[key]
        for key in ("GIT_TERMINAL_PROMPT", "GIT_ALLOW_PROTOCOL", "GIT_SSH_COMMAND", "HTTPS_PROXY")
    } == {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https:http:git:ssh",
        "GIT_SSH_COMMAND": "ssh -o ControlMaster=no -o BatchMode=yes",
        "HTTPS_PROXY": "http://proxy",
    }
    words = (tmp_path / "home" / "words").read_text().split()
    assert words[-5:] == ["--exit-code", "--", "git://host/shop", "HEAD", "HEAD^{}"]


def test_a_git_that_lies_in_the_current_folder_is_not_run(tmp_path, monkeypatch):
    fake_git(tmp_path, 'touch "$HOME/ran"')
    monkeypatch.chdir(tmp_path / "bin")

    assert "the program `git` is not there" in said(tmp_path, "git://host/shop", PATH=".:")
    assert not (tmp_path / "home" / "ran").exists()


def test_without_git_the_package_is_named(tmp_path):
    assert said(tmp_path, "git://host/shop.git", PATH=str(tmp_path)) == (
        "error E007: cannot fetch git://host/shop.git: the program `git` is not there\n"
        "hint: install it: apt-get install git"
    )


@pytest.mark.parametrize("value", ["false", "0", "F"])
def test_the_switch_turns_it_off(value, tmp_path):
    assert said(tmp_path, "git://host/shop.git", COMPOSE_EXPERIMENTAL_GIT_REMOTE=value) == (
        f"error E009: git://host/shop.git is not fetched: COMPOSE_EXPERIMENTAL_GIT_REMOTE is {value}\n"
        "hint: unset COMPOSE_EXPERIMENTAL_GIT_REMOTE"
    )


def test_the_switch_is_a_boolean(tmp_path, url):
    assert said(tmp_path, url, COMPOSE_EXPERIMENTAL_GIT_REMOTE="maybe") == (
        "error E009: COMPOSE_EXPERIMENTAL_GIT_REMOTE is true or false, not `maybe`\n"
        "hint: unset it to have remote files"
    )
    assert loaded(tmp_path, url, COMPOSE_EXPERIMENTAL_GIT_REMOTE="true").services


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../../secret.env", "../outside.env"])
def test_a_link_out_of_the_repository_is_not_followed(target, tmp_path, shop, url):
    (tmp_path / "secret.env").write_text("A=1\n")
    shop.commit(
        {"compose.yaml": "services: {web: {image: a, env_file: link.env}}\n"},
        links={"link.env": target},
    )

    assert said(tmp_path, url) == (
        f"{url}#:compose.yaml:1:38: error E006: `{url}#:link.env` leads out of the remote project\n"
        "  1 | services: {web: {image: a, env_file: link.env}}\n"
        "    |                                      ^^^^^^^^\n"
        "hint: a file of this machine is named by its absolute path"
    )


def test_the_folder_of_copies_may_itself_be_a_link(tmp_path, shop, url):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "remote").symlink_to(tmp_path / "elsewhere")

    assert list(loaded(tmp_path, f"{url}#main:deploy").services) == ["db"]


def test_a_copy_can_be_read_by_the_user_of_a_container(tmp_path, url):
    folder = Path(loaded(tmp_path, f"{url}#main:deploy").working_dir)
    assert [oct(path.stat().st_mode & 0o777) for path in (folder.parent, folder)] == [
        "0o755",
        "0o755",
    ]


def test_a_link_within_the_repository_is_followed(tmp_path, shop, url):
    shop.commit({}, links={"link.yaml": "deploy/docker-compose.yml", "linked": "deploy"})

    assert list(loaded(tmp_path, f"{url}#main:link.yaml").services) == ["db"]
    assert list(loaded(tmp_path, f"{url}#main:linked").services) == ["db"]


def test_a_compose_file_that_is_a_link_out_is_not_read(tmp_path, shop, url):
    (tmp_path / "secret.yaml").write_text("services: {stolen: {image: a}}\n")
    shop.commit({}, links={"link.yaml": str(tmp_path / "secret.yaml"), "root": "/"})

    assert said(tmp_path, f"{url}#main:link.yaml").splitlines()[0] == (
        f"error E006: `{url}#main:link.yaml` leads out of the remote project"
    )
    assert "E006" in said(tmp_path, f"{url}#main:root{tmp_path}/secret.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "include: [../../../../own/own.yaml]\n",
        "include: [{path: compose.yaml, env_file: ../../../../own/x.env}]\n",
        "services: {web: {extends: {file: ../../../../own/own.yaml, service: own}}}\n",
        "services: {web: {image: a, env_file: ../../../../own/x.env}}\n",
        "services: {web: {image: a, label_file: ../../../../own/x.env}}\n",
        "services: {web: {image: a}}\nsecrets: {s: {file: ../../../../own/x.env}}\n",
        "services: {web: {extends: {file: deploy/x.yaml, service: x}}}\n",
    ],
)
def test_a_relative_name_does_not_lead_out_of_the_repository(text, tmp_path, shop, url):
    own = tmp_path / "own"
    own.mkdir()
    (own / "own.yaml").write_text("services: {own: {image: a}}\n")
    (own / "x.env").write_text("A=1\n")
    outside = "../../../../own/../../../../own/x.env"
    base = f"services: {{x: {{image: a, env_file: {outside}}}}}\n"
    shop.commit({"out.yaml": text, "deploy/x.yaml": base})

    refused = said(tmp_path, f"{url}#main:out.yaml")

    assert "error E006: `../../../../" in refused
    assert "leads out of the remote project" in refused


@pytest.mark.parametrize("setting", ["core.hooksPath", "init.templateDir"])
def test_no_hook_of_the_callers_own_runs(setting, tmp_path, shop, url):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    marker = tmp_path / "ran"
    hook = hooks / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    if setting == "init.templateDir":
        (tmp_path / "template").mkdir()
        hooks = shutil.move(hooks, tmp_path / "template" / "hooks").parent
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"[{setting.split('.')[0]}]\n\t{setting.split('.')[1]} = {hooks}\n"
    )

    loaded(tmp_path, url)

    assert not marker.exists()
    plain_clone(url, tmp_path / "clone", home)
    assert marker.exists()  # the hook would have run


def test_a_submodule_is_not_fetched(tmp_path, shop, url):
    other = Repository(shop.folder.parent / "other.git")
    other.commit({"a": "x"})
    shop.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), "sub"
    )
    commit = shop.commit({})

    loaded(tmp_path, url)

    assert os.listdir(f"{copy_of(tmp_path, commit)}/sub") == []


def test_a_commit_that_unpacks_to_more_than_allowed_is_refused(tmp_path, shop, url, monkeypatch):
    from compose.loading import git

    monkeypatch.setattr(git, "MOST_FILES", 3)
    assert said(tmp_path, url) == (
        f"error E007: cannot fetch {url}: it has 4 files of 0 MiB; 3 of 1024 MiB are allowed"
    )
    monkeypatch.setattr(git, "MOST_FILES", 4)
    assert loaded(tmp_path, url).services


def test_a_tree_that_grows_without_end_is_refused_in_bounded_time(tmp_path, shop, url):
    # each level has ten times the one below: ten billion files of one byte
    blob = shop.git("hash-object", "-w", "--stdin-paths") or shop.git("rev-parse", "HEAD:web.env")
    tree = "".join(f"100644 blob {blob}\tf{number}\n" for number in range(10))
    for _ in range(9):
        made = make_tree(shop, tree)
        tree = "".join(f"040000 tree {made}\td{number}\n" for number in range(10))
    commit = shop.git("commit-tree", make_tree(shop, tree), "-m", "x")
    shop.git("branch", "bomb", commit)
    before = time.monotonic()

    text = said(tmp_path, f"{url}#bomb", PYCOMPOSE_REMOTE_TIMEOUT="15")

    assert "error E007" in text or "error E008" in text
    assert time.monotonic() - before < 30
    assert list((tmp_path / "root").glob("remote/*/*")) == []


def test_what_a_killed_process_began_goes(tmp_path, shop, url):
    loaded(tmp_path, f"{url}#v1")
    (folder,) = (tmp_path / "root" / "remote").iterdir()
    old, new = folder / "new-old", folder / "new-new"
    old.mkdir()
    new.mkdir()
    os.utime(old, (0, 0))
    commit = shop.commit({"x": "y"})

    loaded(tmp_path, url)

    assert sorted(path.name for path in folder.iterdir() if path.name.startswith("new-")) == [
        "new-new"
    ]
    assert (folder / commit).is_dir()


def test_nothing_of_a_fault_in_another_file_hides_the_place(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "compose.yaml").write_text("include:\n  - https://host/a.git#main:../x\n")
    with pytest.raises(InvalidFile) as caught:
        loaded(tmp_path)
    assert [repr(fault.where) for fault in caught.value.faults] == ["compose.yaml:2:5"]


def fake_git(folder: Path, script: str) -> Path:
    """The folder of a program `git` that does something else."""
    program = folder / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    (folder / "home").mkdir()
    return program.parent


def has_ended(pid: int) -> bool:
    """Waits for a process that was killed: nobody tells us but the kernel."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with open(descriptor):
        return bool(select.select([descriptor], [], [], 10)[0])


def plain_clone(url: str, target: Path, home: Path) -> None:
    import subprocess

    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    subprocess.run(
        ["git", "clone", "--quiet", url, str(target)], env=environment, check=True, timeout=60
    )


def make_tree(repository: Repository, text: str) -> str:
    import subprocess

    run = subprocess.run(
        ["git", "mktree"],
        cwd=repository.folder,
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()
