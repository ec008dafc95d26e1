"""What an image says about its containers holds unless the file says otherwise, as with Docker."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Pycompose
from tests.fakes import layouts
from tests.runtime.images.made import Layout, busybox_tar

pytestmark = pytest.mark.kernel

ImportImage = Callable[..., str]
SAY = '#!/bin/sh\necho "args=$* user=$(id -u):$(id -g):$(id -G) dir=$(pwd) A=$A B=$B"\n'
ENTRY = 'ENTRYPOINT ["sh", "/say"]'


def said(pycompose: Pycompose, service: str) -> str:
    """The lines of a service, without prefix, once it has ended."""
    return pycompose("logs", "--no-log-prefix", service).stdout


def test_entrypoint_command_environment_user_and_folder(
    pycompose: Pycompose, import_image: ImportImage
):
    import_image(
        "me",
        ENTRY,
        'CMD ["one", "two"]',
        "ENV A=1 B=2",
        "USER app",
        "WORKDIR /work/deep",
        files={"say": SAY},
    )
    pycompose.compose_file(
        """
        services:
          plain: {image: me}
          command: {image: me, command: [three]}
          entrypoint: {image: me, entrypoint: [sh, /say, own]}
          environment: {image: me, environment: {B: other}}
          user: {image: me, user: '7:8'}
          root: {image: me, user: root, working_dir: /elsewhere}
        """
    )
    pycompose("up", "-d")
    pycompose("wait", "plain", "command", "entrypoint", "environment", "user", "root", check=False)
    work = "dir=/work/deep"
    app = "user=1000:1001:1001 1002"
    assert {
        name: said(pycompose, name)
        for name in ("plain", "command", "entrypoint", "environment", "user", "root")
    } == {
        "plain": f"args=one two {app} {work} A=1 B=2\n",
        "command": f"args=three {app} {work} A=1 B=2\n",
        # an entrypoint of one's own drops the image's command
        "entrypoint": f"args=own {app} {work} A=1 B=2\n",
        "environment": f"args=one two {app} {work} A=1 B=other\n",
        "user": f"args=one two user=7:8:8 {work} A=1 B=2\n",
        "root": "args=one two user=0:0:0 dir=/elsewhere A=1 B=2\n",
    }


def test_volumes_are_filled_from_the_image_once(pycompose: Pycompose, import_image: ImportImage):
    import_image(
        "me",
        'CMD ["sleep", "60"]',
        "VOLUME /data",
        files={"data/": "", "data/file": "of the image"},
    )
    pycompose.compose_file(
        """
        services:
          anonymous: {image: me, stop_grace_period: 0s}
          named: {image: me, stop_grace_period: 0s, volumes: ['kept:/data']}
        volumes: {kept: }
        """
    )
    pycompose("up", "-d")
    for service in ("anonymous", "named"):
        assert pycompose("exec", service, "cat", "/data/file").stdout == "of the image"
    names = pycompose("volume", "ls", "-q").stdout.split()
    assert len(names) == 2
    assert "project_kept" in names
    pycompose("exec", "named", "sh", "-c", "echo changed > /data/file; rm -f /data/none")
    pycompose("up", "-d", "--force-recreate")
    assert pycompose("exec", "named", "cat", "/data/file").stdout == "changed\n"


def test_healthcheck_stop_signal_labels_and_ports(pycompose: Pycompose, import_image: ImportImage):
    script = "#!/bin/sh\ntrap 'exit 7' USR1\ntouch /ready\nwhile true; do sleep 0.1; done\n"
    import_image(
        "me",
        'ENTRYPOINT ["sh", "/run"]',
        "STOPSIGNAL SIGUSR1",
        "EXPOSE 80 53/udp",
        "LABEL org.example.kind=web",
        "HEALTHCHECK --interval=100ms --timeout=5s --retries=9 CMD test -e /ready",
        files={"run": script},
    )
    pycompose.compose_file(
        "services: {web: {image: me}, off: {image: me, healthcheck: {disable: true}}}"
    )
    pycompose("up", "-d", "--wait")
    rows = {
        row["Service"]: row
        for row in map(json.loads, pycompose("ps", "--format", "json").stdout.splitlines())
    }
    assert (rows["web"]["Health"], rows["off"]["Health"]) == ("healthy", "")
    assert rows["web"]["Ports"] == "53/udp, 80/tcp"
    assert "org.example.kind=web" in rows["web"]["Labels"].split(",")
    pycompose("stop")
    rows = [
        json.loads(line) for line in pycompose("ps", "-a", "--format", "json").stdout.splitlines()
    ]
    assert [row["ExitCode"] for row in rows] == [7, 7]


def test_an_image_without_a_command_is_refused_and_says_what_is_missing(
    pycompose: Pycompose, import_image: ImportImage
):
    import_image("me")
    pycompose.compose_file("services: {web: {image: me}}")
    done = pycompose("up", "-d", check=False)
    assert done.returncode != 0
    assert "neither the service nor the image `me` says what to run" in done.stderr


def test_labels_of_an_image_never_steer_the_engine(pycompose: Pycompose, import_image: ImportImage):
    """V34."""
    prefix = "com.docker.compose"
    import_image(
        "me",
        'CMD ["sleep", "60"]',
        *(
            f"LABEL {prefix}.{key}={value}"
            for key, value in {
                "project": "other",
                "service": "ghost",
                "container-number": "9",
                "oneoff": "True",
                "config-hash": "0",
                "image": "sha256:0",
                "engine": "evil",
            }.items()
        ),
    )
    pycompose.compose_file("services: {web: {image: me, stop_grace_period: 0s}}")
    pycompose("up", "-d")
    first = pycompose("ps", "-q").stdout
    assert "Recreated" not in pycompose("up", "-d").stderr
    assert pycompose("ps", "-q").stdout == first
    assert (
        pycompose("ps", "--format", "{{.Name}} {{.Project}} {{.Service}} {{.Engine}}").stdout
        == "project-web-1 project web \n"
    )
    assert "ghost" not in pycompose("ps", "--format", "{{.Labels}}").stdout
    assert pycompose("-p", "other", "ps", "-aq", check=False).stdout == ""
    pycompose("-p", "other", "down", "--remove-orphans", check=False)
    assert pycompose("ps", "-q").stdout == first
    pycompose("down")
    assert pycompose("ps", "-aq").stdout == ""


def test_the_environment_of_an_image_cannot_name_ours(pycompose: Pycompose, tmp_path: Path):
    """V33: an entry without `=` takes nothing from the engine's environment."""
    layout = Layout(tmp_path / "layout")
    layout.image([busybox_tar()], {"Env": ["HOME", "*", "CANARY", "=x", "GOOD=1"], "Cmd": ["env"]})
    pycompose.compose_file(
        f"services: {{one: {{image: 'oci:{layout.folder}', environment: {{OWN: one}}}}, two: {{image: 'oci:{layout.folder}'}}}}"
    )
    pycompose("up", "-d", environment={"CANARY": "secret"})
    pycompose("wait", "one", "two", check=False)
    lines = said(pycompose, "two").splitlines()
    names = sorted(
        line.partition("=")[0]
        for line in lines
        if not line.startswith(("HOSTNAME", "SHLVL", "PWD"))
    )
    assert names == ["GOOD", "HOME", "PATH"]
    assert "HOME=/root" in lines
    assert "OWN=one" in said(pycompose, "one").splitlines()


def test_an_image_without_layers_runs_what_is_mounted_into_it(pycompose: Pycompose):
    """`FROM scratch` with nothing but settings."""
    layout = layouts.layout(
        pycompose.folder / "bare", layouts.image(Cmd=["/host/busybox", "ls", "/"])
    )
    pycompose.compose_file(
        f"services: {{web: {{image: 'oci:{layout}', volumes: ['/bin:/host:ro']}}}}"
    )

    run = pycompose("up")

    assert {"web-1  | host", "web-1  | proc"} <= set(run.stdout.splitlines())
