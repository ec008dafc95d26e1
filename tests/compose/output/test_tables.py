"""What the reading verbs print, whole."""

import json

import pytest

from compose.errors import ComposeError
from compose.machine import ProjectRow
from compose.output import (
    event_lines,
    image_tables,
    inspections,
    processes,
    project_tables,
    tables,
)
from compose.output.filters import select_networks, select_volumes
from compose.stack import ImageRow, ProcessesOf
from runtime.values import (
    Endpoint,
    EndpointState,
    Event,
    ImageConfig,
    ImageRecord,
    Mount,
    ProcessRow,
    ProjectRecord,
    PublishedPort,
    RunState,
)
from tests.fakes.stack import NOW, container, network, volume

PORTS = (
    PublishedPort(container_port=80, protocol="tcp", host_ip="0.0.0.0", host_port=8080),
    PublishedPort(container_port=80, protocol="tcp", host_ip="::", host_port=8080),
)
WEB = container(
    image="nginx:1.27",
    command=("nginx", "-g", "daemon off;"),
    expose=("9000",),
    labels={"com.example.tier": "front"},
    mounts=(
        Mount(type="volume", source="shop_data", target="/data"),
        Mount(type="bind", source="/a/long/path/indeed", target="/b"),
    ),
    endpoints=(Endpoint(network="shop_default"),),
    state=RunState(status="running", started_at=NOW - 180, health="healthy", ports=PORTS),
)
DB = container(
    "shop-db-1",
    service="db",
    image="postgres",
    state=RunState(status="exited", exit_code=1, finished_at=NOW - 5),
)


def show(*records, format: str = "", **settings) -> str:
    return "\n".join(tables.show_containers(records, format=format, now=NOW, **settings))


def test_ps_has_dockers_columns():
    assert show(DB, WEB).splitlines() == [
        "NAME         IMAGE        COMMAND                  SERVICE   CREATED         STATUS                     PORTS",
        'shop-db-1    postgres     ""                       db        3 minutes ago   Exited (1) 5 seconds ago   ',
        'shop-web-1   nginx:1.27   "nginx -g \'daemon of…"   web       3 minutes ago   Up 3 minutes (healthy)     '
        "9000/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
    ]


def test_ps_of_nothing_is_a_header():
    assert show() == "NAME      IMAGE     COMMAND   SERVICE   CREATED   STATUS    PORTS"


def test_ps_json_has_dockers_fields():
    assert json.loads(show(WEB, format="json")) | {"CreatedAt": ""} == {
        "Command": '"nginx -g \'daemon of…"',
        "CreatedAt": "",
        "Engine": "",
        "ExitCode": 0,
        "Health": "healthy",
        "ID": WEB.id[:12],
        "Image": "nginx:1.27",
        "Labels": "com.example.tier=front",
        "LocalVolumes": "1",
        "Mounts": "shop_data,/a/long/path/i…",
        "Name": "shop-web-1",
        "Names": "shop-web-1",
        "Networks": "shop_default",
        "Ports": "9000/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
        "Project": "shop",
        "Publishers": [
            {"URL": "0.0.0.0", "TargetPort": 80, "PublishedPort": 8080, "Protocol": "tcp"},
            {"URL": "::", "TargetPort": 80, "PublishedPort": 8080, "Protocol": "tcp"},
            {"URL": "", "TargetPort": 9000, "PublishedPort": 0, "Protocol": "tcp"},
        ],
        "RunningFor": "3 minutes ago",
        "Service": "web",
        "Size": "0B",
        "State": "running",
        "Status": "Up 3 minutes (healthy)",
    }


def test_ps_json_is_a_line_per_container():
    assert [json.loads(line)["Name"] for line in show(DB, WEB, format="json").splitlines()] == [
        "shop-db-1",
        "shop-web-1",
    ]


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("{{.Name}} {{.State}}", "shop-web-1 running"),
        ('{{.Label "com.example.tier"}}', "front"),
        ("{{range .Publishers}}{{.PublishedPort}} {{end}}", "8080 8080 0 "),
        ("table {{.Name}}\\t{{.Health}}", "NAME         HEALTH\nshop-web-1   healthy"),
        ('table {{upper .Name}}\t{{.Label "x"}}', "NAME         x\nSHOP-WEB-1   "),
    ],
)
def test_ps_by_template(format: str, expected: str):
    assert show(WEB, format=format) == expected


def test_a_whole_row_has_no_name_in_the_header():
    assert show(WEB, format="table {{.Name}}\t{{json .}}").splitlines()[0].rstrip() == "NAME"


def test_a_bad_template_is_an_error_of_ours():
    with pytest.raises(ComposeError, match=r"did you mean \.Status\?"):
        show(WEB, format="{{.Statuss}}")


def test_ps_whole():
    text = show(WEB, format="{{.ID}} {{.Command}} {{.Mounts}}", truncate=False)
    assert text == f"{WEB.id} \"nginx -g 'daemon off;'\" shop_data,/a/long/path/indeed"


@pytest.mark.parametrize(
    ("ports", "expose", "text"),
    [
        ((), (), ""),
        ((), ("80", "81/tcp", "82/tcp", "53/udp"), "80-82/tcp, 53/udp"),
        ((), ("8000-8002",), "8000-8002/tcp"),
        (
            tuple(
                PublishedPort(container_port=n, protocol="tcp", host_ip="127.0.0.1", host_port=n)
                for n in (90, 91)
            ),
            (),
            "127.0.0.1:90-91->90-91/tcp",
        ),
    ],
)
def test_the_ports_column(ports, expose, text: str):
    record = container(expose=expose, state=RunState(status="running", started_at=NOW, ports=ports))
    assert sorted(show(record, format="{{.Ports}}").split(", ")) == sorted(text.split(", "))


def test_what_has_ended_publishes_nothing():
    record = container(expose=("80",), state=RunState(status="exited", ports=PORTS))
    assert show(record, format="{{.Ports}}") == ""


@pytest.mark.parametrize(
    ("entrypoint", "command", "shown"),
    [
        (None, None, "/entry.sh serve"),
        (None, ("other",), "/entry.sh other"),
        (("sh",), None, "sh"),
        (("sh",), ("-c", "true"), "sh -c true"),
        ((), ("true",), "true"),
    ],
)
def test_the_command_is_what_runs(entrypoint, command, shown: str):
    from dataclasses import replace

    image = ImageConfig(entrypoint=("/entry.sh",), command=("serve",))
    record = replace(container(entrypoint=entrypoint, command=command), image=image)
    assert show(record, format="{{.Command}}") == f'"{shown}"'


def test_a_name_cannot_steer_the_terminal():
    assert "\x1b" not in show(container("a\x1b[2J"))


# ---- the others ----


def test_volumes():
    assert tables.show_volumes([volume()], format="table") == [
        "DRIVER    VOLUME NAME",
        "local     shop_data",
    ]
    assert tables.show_volumes([volume()], format="table", quiet=True) == ["shop_data"]
    assert tables.show_volumes([volume()], format="{{.Name}}@{{.Mountpoint}}") == [
        "shop_data@/volumes/shop_data/1"
    ]


def test_networks():
    assert tables.show_networks([network()], format="") == [
        "NETWORK ID     NAME      DRIVER    SCOPE",
        "cdcdcdcdcdcd   shared    bridge    local",
    ]


def test_images():
    config = ImageConfig(architecture="arm64", variant="v8", created="2001-09-08T01:46:40Z")
    image = ImageRecord(
        id="sha256:" + "ab" * 32, name="registry:5000/nginx:1.27", size=204_123_000, config=config
    )
    rows = [ImageRow(WEB, image), ImageRow(DB, None)]
    assert image_tables.show_used(rows, format="table", now=NOW) == [
        "CONTAINER           REPOSITORY            TAG                 PLATFORM            IMAGE ID            SIZE                CREATED",
        "shop-db-1           postgres              <none>              linux               abababababab        N/A                 N/A",
        "shop-web-1          registry:5000/nginx   1.27                linux/arm64/v8      abababababab        204MB               24 hours ago",
    ]
    assert image_tables.show_used(rows, format="table", quiet=True) == ["ab" * 32]
    assert json.loads(image_tables.show_used(rows, format="json")[0])[1] == {
        "ID": "sha256:" + "ab" * 32,
        "ContainerName": "shop-web-1",
        "Repository": "registry:5000/nginx",
        "Tag": "1.27",
        "Platform": "linux/arm64/v8",
        "Size": 204123000,
        "Created": "2001-09-08T01:46:40.000000000Z",
    }


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nginx:1", ("nginx", "1")),
        ("nginx", ("nginx", "")),
        ("localhost:5000/web", ("localhost:5000/web", "")),
        ("web:1@sha256:ab", ("web", "1")),
        ("dir:./rootfs", ("dir:./rootfs", "")),
        ("", ("", "")),
    ],
)
def test_a_name_has_a_repository_and_a_tag(name: str, parts: tuple[str, str]):
    assert image_tables.split_name(name) == parts


def test_top():
    row = ProcessRow(
        pid=42,
        parent=1,
        user="root",
        started_at=NOW - 180,
        cpu_seconds=61,
        terminal="",
        command="nginx: master",
    )
    lines = processes.show([ProcessesOf(WEB, (row,))], now=NOW)
    assert [line.split() for line in lines] == [
        [*processes.HEAD],
        [
            "web",
            "1",
            "root",
            "42",
            "1",
            "33",
            lines[1].split()[6],
            "?",
            "00:01:01",
            "nginx:",
            "master",
        ],
    ]
    assert processes.show([ProcessesOf(WEB, ())], now=NOW) == []


EVENT = Event(
    time=0.5,
    type="container",
    action="die",
    id="ab" * 32,
    attributes={
        "name": "shop-web-1",
        "service": "web",
        "exitCode": "1",
        "com.docker.compose.project": "shop",
    },
)


def test_events_as_text():
    line = event_lines.show(EVENT, as_json=False)
    assert line.endswith(f".500000 container die {'ab' * 32} (exitCode=1, name=shop-web-1)")


def test_events_as_json():
    assert json.loads(event_lines.show(EVENT, as_json=True)) == {
        "action": "die",
        "attributes": {"exitCode": "1", "name": "shop-web-1"},
        "id": "ab" * 32,
        "service": "web",
        "time": "1970-01-01T00:00:00.500000Z",
        "type": "container",
    }


def test_networks_and_one_offs_have_no_event_lines():
    assert (
        event_lines.show(Event(time=0, type="network", action="create", id="x"), as_json=False)
        == ""
    )


def test_network_inspect_shows_who_is_on_it():
    on = container(
        state=RunState(
            status="running",
            endpoints=(
                EndpointState(
                    network="shared",
                    ipv4_address="172.20.0.2",
                    prefix_length=16,
                    mac_address="02:42",
                ),
            ),
        )
    )
    assert inspections.network(network(), [on, DB]) == {
        "Name": "shared",
        "Id": "cd" * 32,
        "Created": "2001-09-09T01:46:40.000000000Z",
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {
            "Driver": "default",
            "Options": None,
            "Config": [{"Subnet": "172.20.0.0/16", "Gateway": "172.20.0.1"}],
        },
        "Internal": False,
        "Attachable": False,
        "Containers": {
            on.id: {
                "Name": "shop-web-1",
                "MacAddress": "02:42",
                "IPv4Address": "172.20.0.2/16",
                "IPv6Address": "",
            }
        },
        "Options": {},
        "Labels": {},
    }


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ((), ["a", "b"]),
        (("name=a",), ["a"]),
        (("name=a", "name=b"), ["a", "b"]),
        (("label=k",), ["b"]),
        (("label=k=v",), ["b"]),
        (("label=k=w",), []),
        (("label=k", "label=other"), []),
        (("driver=local", "name=b"), ["b"]),
        (("dangling=true",), ["b"]),
        (("dangling=false",), ["a"]),
    ],
)
def test_volume_filters(filters, names):
    user = container(mounts=(Mount(type="volume", source="a", target="/a"),))
    found = select_volumes([volume("a"), volume("b", labels={"k": "v"})], filters, lambda: [user])
    assert [one.name for one in found] == names


@pytest.mark.parametrize("text", ["nothing", "color=red", "name=(", "dangling=maybe", "dangling="])
def test_a_bad_filter_is_named(text: str):
    with pytest.raises(ComposeError, match="invalid filter"):
        select_networks([network()], [text], list)


# ---- ls ----


def listed(*names: str):
    rows = (
        ProjectRecord(id="01", name=name, folder="/srv", files=("/srv/a.yaml", "/srv/b.yaml"))
        for name in names
    )
    return [ProjectRow(row, (WEB, WEB, DB)) for row in rows]


def test_projects():
    assert project_tables.show(listed("shop", "blog")) == [
        "NAME                STATUS                  CONFIG FILES",
        "blog                running(2), exited(1)   /srv/a.yaml,/srv/b.yaml",
        "shop                running(2), exited(1)   /srv/a.yaml,/srv/b.yaml",
    ]
    assert project_tables.show(listed("shop", "blog"), filters=["name=^s"], quiet=True) == ["shop"]
    assert project_tables.show(listed("shop"), format="json") == [
        '[{"Name":"shop","Status":"running(2), exited(1)","ConfigFiles":"/srv/a.yaml,/srv/b.yaml"}]'
    ]


@pytest.mark.parametrize("text", ["color=red", "name=("])
def test_a_bad_project_filter_is_named(text: str):
    with pytest.raises(ComposeError, match="invalid filter"):
        project_tables.show(listed("shop"), filters=[text])
