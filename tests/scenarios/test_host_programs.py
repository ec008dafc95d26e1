"""Real programs of the machine in `image: host`: servers as their own users, compilers, interpreters; and a root of busybox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Pycompose
from tests.runtime.init.conftest import busybox_root  # noqa: F401
from tests.scenarios.stage import document, said, shell, stage

pytestmark = pytest.mark.kernel

POSTGRES = (
    "PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH;"
    " initdb -A trust -U postgres > /tmp/init.log || cat /tmp/init.log;"
    " echo host all all all trust >> $PGDATA/pg_hba.conf;"
    " exec postgres -k /tmp -h 0.0.0.0"
)
PYTHON = (
    "import ctypes, locale, sqlite3, ssl, tempfile;"
    "tempfile.TemporaryFile();"
    "locale.setlocale(locale.LC_ALL, 'C.UTF-8');"
    "print(sqlite3.connect(':memory:').execute('select 6*7').fetchone()[0],"
    " len(ssl.create_default_context().get_ca_certs()) > 0)"
)
SERVERS: dict[str, dict[str, Any]] = {
    "postgres": {
        **shell(POSTGRES, image="host"),
        "user": "postgres",
        "environment": {"PGDATA": "/var/lib/postgresql/data"},
        "volumes": ["data:/var/lib/postgresql"],
        "expose": ["5432"],
        "healthcheck": {"test": "pg_isready -h /tmp", "interval": "1s", "retries": 100},
    },
    "redis": {
        "image": "host",
        "user": "redis",
        "command": ["redis-server", "--save", "", "--bind", "0.0.0.0", "--protected-mode", "no"],
        "expose": ["6379"],
        "healthcheck": {"test": "redis-cli ping | grep PONG", "interval": "1s", "retries": 100},
    },
    "nginx": {
        "image": "host",
        "command": ["nginx", "-g", "daemon off;"],
        "configs": [{"source": "site", "target": "/etc/nginx/conf.d/site.conf"}],
        "expose": ["8080"],
        "healthcheck": {"test": ["CMD", "curl", "-sf", "http://127.0.0.1:8080"], "interval": "1s"},
    },
}
SITE = 'server { listen 8080; location / { return 200 "served by $hostname"; } }'
ONCE: dict[str, tuple[str, str]] = {
    "python": (f'python3 -c "{PYTHON}"', "42 True"),
    "gcc": (
        "cd /tmp; printf '#include <stdio.h>\\nint main() { puts(\"compiled\"); return 7; }' > a.c;"
        " gcc a.c -o a && ./a; echo $?",
        "compiled 7",
    ),
    "folders": (
        "stat -c '%a %U' /tmp /var/tmp /run /root",
        "1777 root 1777 root 755 root 700 root",
    ),
    "names": (
        "getent passwd root; id -un www-data; whoami",
        "root:x:0:0:root:/root:/bin/bash www-data root",
    ),
    "loader": ("ldconfig -p | grep -c libc.so.6 | sed 's/[1-9].*/some/'", "some"),
    "alternatives": ("awk 'BEGIN { print 1 }'; pager --version > /dev/null && echo 2", "1 2"),
    "packages": ("dpkg-query -W -f '${Status}' base-files", "install ok installed"),
    "shadow": (
        "cut -d: -f2 /etc/shadow /etc/gshadow | sort -u; ls -A /root /home /srv /mnt | wc -w",
        "* 4",
    ),
    "files": (
        "cd /; tar --one-file-system -c etc/passwd usr/bin/env tmp | tar -t",
        "etc/passwd usr/bin/env tmp/",
    ),
    "accounts": (
        "su www-data -s /bin/sh -c id; useradd joe && id -un joe",
        "uid=33(www-data) gid=33(www-data) groups=33(www-data) joe",
    ),
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Pycompose]:
    once = {name: shell(script, image="host") for name, (script, _) in ONCE.items()}
    configs = {"site": {"content": SITE.replace("$", "$$")}}
    with stage() as pycompose:
        pycompose.compose_file(
            document({**SERVERS, **once}, volumes={"data": None}, configs=configs)
        )
        pycompose("up", "-d", "--wait", timeout=120)
        yield pycompose


@pytest.mark.parametrize("name", ONCE)
def test_the_program_finds_what_it_needs(stack: Pycompose, name: str):
    assert said(stack, name)[f"{name}-1"] == ONCE[name][1]


def test_postgresql_answers_a_sibling(stack: Pycompose):
    query = ["psql", "-h", "postgres", "-U", "postgres", "-Atc", "select 6 * 7, current_user"]
    assert stack("exec", "-T", "redis", *query).stdout == "42|postgres\n"


def test_redis_answers_a_sibling(stack: Pycompose):
    assert (
        stack("exec", "-T", "nginx", "redis-cli", "-h", "redis", "set", "a", "b").stdout == "OK\n"
    )


def test_nginx_answers_a_sibling(stack: Pycompose):
    page = stack("exec", "-T", "redis", "curl", "-s", "http://nginx:8080").stdout
    assert page == f"served by {stack('exec', '-T', 'nginx', 'hostname').stdout.strip()}"


def test_each_server_runs_as_its_own_user(stack: Pycompose):
    for name, user in (("postgres", "postgres"), ("redis", "redis"), ("nginx", "root")):
        assert stack("exec", "-T", name, "stat", "-c", "%U", "/proc/1").stdout == f"{user}\n"


def test_what_a_container_changes_is_all_that_is_kept_of_it():
    """And it is there again when the machine's side is laid anew by the next start."""
    change = (
        "echo mine > /root/x; echo mine > /srv/y; rm -r /tmp /etc/cron.d; mkdir /tmp; mv /srv /s"
    )
    look = "cat /root/x /s/y; ls -d /home /tmp /etc/cron.d /srv /s; ls -A /tmp; wc -l < /etc/passwd"
    services = {"web": {"command": ["sleep", "1000"], "image": "host", "init": True}}
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d")
        (upper,) = pycompose.paths.data.glob("containers/*/upper")
        assert [str(path) for path in upper.rglob("*")] == []
        seen = pycompose("exec", "-T", "web", "sh", "-c", f"{change}; {look}", check=False).stdout
        assert [path.name for path in upper.rglob("*") if path.is_file()] == ["x", "y"]
        pycompose("restart", "-t", "0")
        assert pycompose("exec", "-T", "web", "sh", "-c", look, check=False).stdout == seen


def test_a_busybox_root_needs_nothing_else(busybox_root: Path):  # noqa: F811
    script = "ls /; busybox | head -1 | cut -d' ' -f1"
    services = {"web": shell(script, image=f"dir:{busybox_root}", user="1000")}
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d")
        pycompose("wait", "web", check=False)
        assert said(pycompose)["web-1"] == "bin dev etc proc root sys tmp BusyBox"
