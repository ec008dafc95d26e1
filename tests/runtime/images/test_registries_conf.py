"""Where a name leads: registries.conf of version 2, Docker's daemon.json, folders of certificates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runtime.errors import RuntimeFault
from runtime.images.reference import parse_reference
from runtime.images.registries_conf import Endpoint, read_registries
from tests.fakes import layouts, scripted_registry
from tests.runtime.images.remote import Remote, remote
from tests.runtime.images.tars import Tar

__all__ = ["remote"]

DIGEST = "sha256:" + "ab" * 32


def lead(folder: Path, name: str) -> str:
    """`host/path insecure` for each place, in order; the last is the registry."""
    registries = read_registries({"HOME": str(folder / "home")}, system=folder / "etc")
    return ", ".join(shown(one) for one in registries.endpoints(parse_reference(name)))


def shown(endpoint: Endpoint) -> str:
    return f"{endpoint.host}/{endpoint.path}{' insecure' if endpoint.insecure else ''}"


def write(folder: Path, text: str, name: str = "etc/containers/registries.conf") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_configuration_a_name_leads_to_its_registry(tmp_path: Path):
    assert lead(tmp_path, "nginx:1") == "registry-1.docker.io/library/nginx"
    assert lead(tmp_path, "ghcr.io/a/b") == "ghcr.io/a/b"


@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1:5000", "[::1]:5000", "localhost"])
def test_registries_of_this_machine_may_be_without_tls(tmp_path: Path, host: str):
    assert lead(tmp_path, f"{host}/a:1") == f"{host}/a insecure"


def test_mirrors_come_first_in_their_order(tmp_path: Path):
    write(
        tmp_path,
        """
        [[registry]]
        prefix = "docker.io"
        location = "docker.io"
        [[registry.mirror]]
        location = "mirror.test/hub"
        [[registry.mirror]]
        location = "other.test:5000"
        insecure = true
        """,
    )

    assert lead(tmp_path, "nginx:1") == (
        "mirror.test/hub/library/nginx, other.test:5000/library/nginx insecure,"
        " registry-1.docker.io/library/nginx"
    )


def test_the_longest_prefix_wins_and_may_move_the_place(tmp_path: Path):
    write(
        tmp_path,
        """
        [[registry]]
        location = "example.test"
        insecure = true
        [[registry]]
        prefix = "example.test/team"
        location = "inside.test/copy"
        """,
    )

    assert lead(tmp_path, "example.test/other/a:1") == "example.test/other/a insecure"
    assert lead(tmp_path, "example.test/team/a:1") == "inside.test/copy/a"
    assert lead(tmp_path, "example.test/teams/a:1") == "example.test/teams/a insecure"


def test_a_prefix_may_stand_for_all_hosts_below(tmp_path: Path):
    write(tmp_path, '[[registry]]\nprefix = "*.example.test"\ninsecure = true\n')

    assert lead(tmp_path, "a.example.test/x:1") == "a.example.test/x insecure"
    assert lead(tmp_path, "example.test/x:1") == "example.test/x"


@pytest.mark.parametrize(
    ("kind", "by_tag", "by_digest"),
    [("all", True, True), ("digest-only", False, True), ("tag-only", True, False)],
)
def test_a_mirror_may_be_for_tags_or_digests_alone(
    tmp_path: Path, kind: str, by_tag: bool, by_digest: bool
):
    write(
        tmp_path,
        f"""
        [[registry]]
        location = "example.test"
        [[registry.mirror]]
        location = "mirror.test"
        pull-from-mirror = "{kind}"
        """,
    )

    assert ("mirror.test" in lead(tmp_path, "example.test/a:1")) is by_tag
    assert ("mirror.test" in lead(tmp_path, f"example.test/a@{DIGEST}")) is by_digest


def test_a_blocked_registry_is_said(tmp_path: Path):
    write(tmp_path, '[[registry]]\nlocation = "bad.test"\nblocked = true\n')

    with pytest.raises(RuntimeFault) as caught:
        lead(tmp_path, "bad.test/a:1")

    assert (caught.value.code, caught.value.message) == (
        "E542",
        "registry bad.test is blocked by registries.conf",
    )


def test_files_of_a_folder_and_of_the_user_come_later_and_win(tmp_path: Path):
    text = '[[registry]]\nlocation = "example.test"\ninsecure = {}\n'
    write(tmp_path, text.format("true"))
    write(tmp_path, text.format("false"), "etc/containers/registries.conf.d/9.conf")
    assert lead(tmp_path, "example.test/a:1") == "example.test/a"

    write(tmp_path, text.format("true"), "home/.config/containers/registries.conf")
    assert lead(tmp_path, "example.test/a:1") == "example.test/a insecure"


def test_docker_s_own_file_is_read(tmp_path: Path):
    document = {
        "registry-mirrors": ["https://mirror.test/"],
        "insecure-registries": ["plain.test:5000"],
    }
    write(tmp_path, json.dumps(document), "etc/docker/daemon.json")

    assert lead(tmp_path, "nginx") == (
        "mirror.test/library/nginx, registry-1.docker.io/library/nginx"
    )
    assert lead(tmp_path, "plain.test:5000/a:1") == "plain.test:5000/a insecure"
    assert lead(tmp_path, "ghcr.io/a:1") == "ghcr.io/a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[registry", "{file} cannot be understood"),
        (
            '[registries.search]\nregistries = ["x"]',
            "{file} is in version 1 of the format, which is no longer read",
        ),
        ("[[registry]]\nblocked = true", "{file}: a [[registry]] without location and prefix"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(tmp_path: Path, text: str, message: str):
    write(tmp_path, text)

    with pytest.raises(RuntimeFault) as caught:
        lead(tmp_path, "nginx")

    file = tmp_path / "etc/containers/registries.conf"
    assert (caught.value.code, caught.value.message) == ("E548", message.format(file=file))


def test_certificates_are_found_by_the_host_s_folder(tmp_path: Path):
    for name in ("ca.crt", "client.cert", "client.key", "alone.cert"):
        write(tmp_path, "", f"etc/docker/certs.d/example.test:5000/{name}")
    registries = read_registries({"HOME": str(tmp_path)}, system=tmp_path / "etc")

    (endpoint,) = registries.endpoints(parse_reference("example.test:5000/a:1"))

    folder = tmp_path / "etc/docker/certs.d/example.test:5000"
    assert endpoint.tls.verify
    assert endpoint.tls.authorities == (folder / "ca.crt",)
    assert endpoint.tls.certificates == ((folder / "client.cert", folder / "client.key"),)


# --- with registries that answer


IMAGE = layouts.image(Tar().file("one", b"one").bytes)


def mirrored(remote: Remote, mirror: str, registry: str) -> Remote:
    file = remote.home / "registries.conf"
    file.write_text(
        f'[[registry]]\nlocation = "{registry}"\n[[registry.mirror]]\nlocation = "{mirror}"\n'
    )
    return remote.with_environment(CONTAINERS_REGISTRIES_CONF=str(file))


def test_a_mirror_that_has_it_is_asked_alone_and_the_name_stays(remote: Remote):
    with scripted_registry.serve() as mirror, scripted_registry.serve() as registry:
        mirror.add("shop/web:1", IMAGE)
        name = f"{registry.host}/shop/web:1"

        pulled = mirrored(remote, mirror.host, registry.host).pull(name)

        assert registry.requests == []
        assert list(pulled.image.tags) == [name]
        assert pulled.image.digests == ((f"{registry.host}/shop/web", IMAGE.manifest.digest),)


@pytest.mark.parametrize("trouble", ["nothing there", "nobody there", "no login", "damaged"])
def test_whatever_ails_a_mirror_the_registry_itself_is_asked_next(remote: Remote, trouble: str):
    with scripted_registry.serve() as mirror, scripted_registry.serve() as registry:
        registry.add("shop/web:1", IMAGE)
        host = "127.0.0.1:1" if trouble == "nobody there" else mirror.host
        if trouble != "nothing there":
            mirror.add("shop/web:1", IMAGE)
        if trouble == "no login":
            mirror.login = "anna:secret"
        if trouble == "damaged":
            mirror.blobs[IMAGE.layers[0].digest] = b"x" * len(IMAGE.layers[0].data)

        assert mirrored(remote, host, registry.host).pull(f"{registry.host}/shop/web:1").is_new


def test_a_push_goes_to_the_registry_itself(remote: Remote):
    with scripted_registry.serve() as mirror, scripted_registry.serve() as registry:
        mirror.add("shop/web:1", IMAGE)
        user = mirrored(remote, mirror.host, registry.host)
        user.pull(f"{registry.host}/shop/web:1")
        mirror.forget()

        user.push(f"{registry.host}/shop/web:1")

        assert mirror.requests == []
        assert "shop/web:1" in registry.manifests
