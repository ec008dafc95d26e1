"""Who we are to a registry: Docker's config.json, containers' auth.json, helper programs."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import RuntimeFault
from runtime.images.credentials import Credentials, basic_header, registry_of
from runtime.values import Login


class User:
    """A home with the files of the test."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.environment = {"HOME": str(folder), "PATH": f"{folder}/bin:/usr/bin:/bin"}

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.environment)

    def write(self, document: Any, name: str = ".docker/config.json") -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    def helper(self, name: str, script: str) -> Path:
        path = self.write(f"#!/bin/sh\n{script}\n", f"bin/docker-credential-{name}")
        path.chmod(0o755)
        return path


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def auth(name: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:{password}".encode()).decode()}


ANNA = Login(username="anna", password="secret")


def test_nobody_without_files(user: User):
    assert user.credentials.find("registry.test") is None


@pytest.mark.parametrize(
    "key",
    [
        "registry.test",
        "https://registry.test",
        "https://registry.test/v1/",
        "http://registry.test/",
    ],
)
def test_a_login_is_found_however_its_registry_is_written(user: User, key: str):
    user.write({"auths": {key: auth("anna", "secret")}})

    assert user.credentials.find("registry.test") == ANNA
    assert user.credentials.find("registry.test:5000") is None


def test_docker_hub_has_its_old_name(user: User):
    user.write({"auths": {"https://index.docker.io/v1/": auth("anna", "secret")}})

    assert user.credentials.find("docker.io", "library/nginx") == ANNA


def test_the_most_specific_entry_wins(user: User):
    user.write(
        {
            "auths": {
                "registry.test": auth("all", "x"),
                "registry.test/team": auth("team", "x"),
                "registry.test/team/app": auth("app", "x"),
            }
        },
        ".config/containers/auth.json",
    )

    def name(path: str) -> str:
        login = user.credentials.find("registry.test", path)
        assert login is not None
        return login.username

    assert [name("other"), name("team/x"), name("team/app"), name("teams")] == [
        "all",
        "team",
        "app",
        "all",
    ]


def test_files_in_their_order(user: User):
    user.write({"auths": {"a.test": auth("config", "x")}}, ".config/containers/auth.json")
    user.write({"auths": {"a.test": auth("runtime", "x")}}, "run/containers/auth.json")
    user.environment["XDG_RUNTIME_DIR"] = str(user.home / "run")
    found = user.credentials.find("a.test")
    assert found is not None
    assert found.username == "runtime"
    user.write({"auths": {"a.test": auth("docker", "x")}})
    found = user.credentials.find("a.test")
    assert found is not None
    assert found.username == "docker"
    user.environment["REGISTRY_AUTH_FILE"] = str(
        user.write({"auths": {"a.test": auth("named", "x")}}, "named.json")
    )
    found = user.credentials.find("a.test")
    assert found is not None
    assert found.username == "named"


def test_docker_config_moves_the_file(user: User):
    user.environment["DOCKER_CONFIG"] = str(user.home / "elsewhere")
    user.write({"auths": {"a.test": auth("anna", "secret")}}, "elsewhere/config.json")

    assert user.credentials.find("a.test") == ANNA


def test_a_password_may_hold_colons_and_more(user: User):
    password = "a:b c:ü\"'"
    user.credentials.store("a.test", Login(username="anna", password=password))

    found = user.credentials.find("a.test")
    assert found is not None
    assert found.password == password


def test_an_identity_token_stands_for_both(user: User):
    user.credentials.store("a.test", Login(username="anna", identity_token="token"))

    assert user.credentials.find("a.test") == Login(username="anna", identity_token="token")


def test_a_login_is_kept_where_docker_keeps_it_for_its_user_alone(user: User):
    user.write({"auths": {"b.test": auth("bob", "x")}, "HttpHeaders": {"X": "y"}})

    file = user.credentials.store("a.test", ANNA)

    assert file == user.home / ".docker" / "config.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text()) == {
        "auths": {"b.test": auth("bob", "x"), "a.test": auth("anna", "secret")},
        "HttpHeaders": {"X": "y"},
    }


def test_logging_out_leaves_the_others(user: User):
    user.write({"auths": {"a.test": auth("a", "x"), "b.test": auth("b", "x")}})

    assert user.credentials.erase("a.test")
    assert not user.credentials.erase("a.test")
    assert user.credentials.find("a.test") is None
    assert user.credentials.find("b.test") is not None


def test_a_link_to_the_file_stays_one(user: User):
    real = user.write({}, "dotfiles/config.json")
    (user.home / ".docker").mkdir()
    (user.home / ".docker" / "config.json").symlink_to(real)

    user.credentials.store("a.test", ANNA)

    assert (user.home / ".docker" / "config.json").is_symlink()
    assert user.credentials.find("a.test") == ANNA


def test_a_helper_keeps_gives_and_forgets(user: User):
    safe = user.home / "safe"
    user.write({"credsStore": "test"})
    user.helper(
        "test",
        f"case $1 in store) cat > {safe};; get) read host; [ -e {safe} ] || "
        f'{{ echo "credentials not found in native keychain"; exit 1; }}; cat {safe};; erase) rm {safe};; esac',
    )
    credentials = user.credentials

    assert credentials.find("a.test") is None
    assert credentials.store("a.test", ANNA) is None
    assert "secret" not in (user.home / ".docker" / "config.json").read_text()
    assert credentials.find("a.test") == ANNA
    assert credentials.erase("a.test")
    assert not safe.exists()


def test_a_helper_s_own_registry_comes_before_the_common_one(user: User):
    user.write({"credsStore": "common", "credHelpers": {"a.test": "own"}})
    for name in ("common", "own"):
        user.helper(name, f'echo \'{{"Username": "{name}", "Secret": "x"}}\'')

    own, common = user.credentials.find("a.test"), user.credentials.find("b.test")
    assert own is not None
    assert common is not None
    assert (own.username, common.username) == ("own", "common")


def test_a_helper_may_give_a_token(user: User):
    user.write({"credsStore": "test"})
    user.helper("test", 'echo \'{"Username": "<token>", "Secret": "abc"}\'')

    assert user.credentials.find("a.test") == Login(identity_token="abc")


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("missing", "No such file"),
        ("../../bin/sh", "a name that is none"),
        ("-x", "a name that is none"),
    ],
)
def test_a_helper_that_cannot_be_is_named(user: User, name: str, answered: str):
    user.write({"credsStore": name})

    with pytest.raises(RuntimeFault) as caught:
        user.credentials.find("a.test")

    assert caught.value.code == "E547"
    assert answered in caught.value.answered


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": {"a.test": {"auth": "!!!"}}}'])
def test_a_file_that_cannot_be_read_is_named(user: User, text: str):
    user.write(text)

    with pytest.raises(RuntimeFault) as caught:
        user.credentials.find("a.test")

    assert caught.value.code == "E547"


@pytest.mark.kernel
def test_under_sudo_the_files_are_the_caller_s(user: User, monkeypatch: pytest.MonkeyPatch):
    import pwd

    entry = pwd.getpwnam("nobody")
    moved = pwd.struct_passwd((*entry[:5], str(user.home), entry[6]))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: moved)
    environment = {
        "HOME": "/root",
        "SUDO_UID": str(entry.pw_uid),
        "SUDO_GID": str(entry.pw_gid),
        "PATH": "/bin",
    }

    file = Credentials(environment).store("a.test", ANNA)

    assert file == user.home / ".docker" / "config.json"
    assert (file.stat().st_uid, file.parent.stat().st_uid) == (entry.pw_uid, entry.pw_uid)


def test_a_login_shows_no_password():
    assert repr(ANNA) == "Login('anna')"
    assert "secret" not in f"{[ANNA]}"
    assert basic_header(ANNA) == "Basic YW5uYTpzZWNyZXQ="


@pytest.mark.parametrize(
    ("text", "registry"),
    [
        ("", "docker.io"),
        ("docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry.test:5000", "registry.test:5000"),
        ("https://registry.test/", "registry.test"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_what_login_was_given_becomes_a_registry(text: str, registry: str):
    assert registry_of(text) == registry


@pytest.mark.parametrize("text", ["no name", "a:b", "-", "x\ny"])
def test_what_is_no_registry_is_said(text: str):
    with pytest.raises(RuntimeFault) as caught:
        registry_of(text)

    assert caught.value.code == "E550"
