"""What containers write, by every driver: nothing lost, in Docker's format where it is asked for, and rotated."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from runtime.engine import Engine
from tests.conftest import Pycompose
from tests.runtime.init.conftest import busybox_root  # noqa: F401
from tests.scenarios.stage import document, stage

pytestmark = pytest.mark.kernel
ERRORS = ["err1", "err2", "err3"]
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"


@pytest.fixture(scope="module")
def image(busybox_root: Path) -> str:  # noqa: F811
    return f"dir:{busybox_root}"


def service(image: str, script: str, driver: str = "", **more: Any) -> dict[str, Any]:
    options = more.pop("options", {})
    logging = {"logging": {"driver": driver, "options": options}} if driver else {}
    if options and not driver:
        logging = {"logging": {"options": options}}
    return {"image": image, "command": ["sh", "-c", script.replace("$", "$$")], **logging, **more}


def run(pycompose: Pycompose, services: dict[str, Any]) -> None:
    """Up, until all have ended."""
    pycompose.compose_file(document(services))
    pycompose("up", "--abort-on-container-failure", "--no-color", timeout=120)


def log_folder(pycompose: Pycompose, name: str) -> Path:
    engine = Engine(pycompose.paths)
    try:
        record = next(one for one in engine.containers() if one.options.service == name)
        return Path(engine.log_folder(record))
    finally:
        engine.close()


def log_of(pycompose: Pycompose, name: str, *words: str) -> tuple[str, str]:
    """What the container wrote to stdout and to stderr."""
    read = pycompose("logs", "--no-log-prefix", "--no-color", *words, name)
    return read.stdout, read.stderr


def test_each_driver_keeps_the_lines_and_their_order(image: str):
    script = (
        "for n in 1 2 3; do echo out$n; sleep 0.02; echo err$n >&2; sleep 0.02; done; printf end"
    )
    drivers = ("", "json-file", "local")
    services = {f"by-{driver or 'default'}": service(image, script, driver) for driver in drivers}
    services["by-none"] = service(image, script, "none")
    with stage() as pycompose:
        run(pycompose, services)
        for driver in ("default", "json-file", "local"):
            name = f"by-{driver}"
            out, err = log_of(pycompose, name)
            assert (out.split(), err.split()) == (["out1", "out2", "out3", "end"], ERRORS), driver
            assert len("".join(log_of(pycompose, name, "--tail", "2")).split()) == 2
            stamped = [
                line.split() for text in log_of(pycompose, name, "-t") for line in text.splitlines()
            ]
            assert all(re.fullmatch(STAMP, stamp) for stamp, _ in stamped)
            since = sorted(stamped)[4][0]
            later = "".join(log_of(pycompose, name, "--since", since)).split()
            assert later == [line for stamp, line in stamped if stamp >= since]
        refused = pycompose("logs", "by-none", check=False)
    assert refused.stdout == ""
    assert "configured logging driver does not support reading" in refused.stderr


def test_json_file_is_dockers_format(image: str):
    script = (
        'echo "<a> & \\"b\\""; printf "\\377bad\\n"; printf "\\001tab\\tend\\n"; echo error >&2;'
        " head -c 20000 /dev/zero | tr '\\0' x; echo; printf unfinished"
    )
    options = {"labels": "team", "env": "STAGE,ABSENT", "env-regex": "^PCT_", "tag": "{{.Name}}"}
    services = {
        "web": service(
            image,
            script,
            "json-file",
            options=options,
            labels={"team": "blue", "other": "not asked for"},
            environment={"STAGE": "test", "PCT_X": "1", "SECRET": "canary"},
        )
    }
    with stage() as pycompose:
        run(pycompose, services)
        folder = log_folder(pycompose, "web")
        (file,) = folder.glob("*-json.log")
        text = file.read_text()
        modes = (oct(file.stat().st_mode & 0o777), oct(folder.stat().st_mode & 0o777))
        joined = log_of(pycompose, "web")[0].splitlines()
    rows = [json.loads(line) for line in text.splitlines()]
    attributes = '"attrs":{"PCT_X":"1","STAGE":"test","tag":"project-web-1","team":"blue"}'
    first = re.sub(STAMP, "TIME", text.splitlines()[0])
    assert first == (
        '{"log":"\\u003ca\\u003e \\u0026 \\"b\\"\\n","stream":"stdout",'
        + attributes
        + ',"time":"TIME"}'
    )
    by_stream = {
        stream: [row["log"] for row in rows if row["stream"] == stream]
        for stream in ("stdout", "stderr")
    }
    assert by_stream["stderr"] == ["error\n"]
    assert by_stream["stdout"] == [
        '<a> & "b"\n',
        "\ufffdbad\n",
        "\x01tab\tend\n",
        "x" * 16384,
        "x" * 3616 + "\n",
        "unfinished",
    ]
    parts = [row["time"] for row in rows if row["log"].startswith("x")]
    assert parts[0] == parts[1]
    assert modes == ("0o640", "0o700")
    assert "canary" not in text
    assert joined[-2:] == ["x" * 20000, "unfinished"]


def test_rotation_keeps_the_newest_of_what_was_written(image: str):
    script = "seq 60000 | sed 's,^,line ,'"
    sized = {"max-size": "100k", "max-file": "3"}
    services = {
        "default": service(image, script, options=sized),
        "json": service(image, script, "json-file", options=sized),
        "packed": service(image, script, "json-file", options={**sized, "compress": "true"}),
        "local": service(image, script, "local", options=sized),
        "single": service(image, script, "json-file", options={"max-size": "100k"}),
    }
    with stage() as pycompose:
        run(pycompose, services)
        kept = {name: log_of(pycompose, name)[0].splitlines() for name in services}
        json_folder, packed_folder = (log_folder(pycompose, name) for name in ("json", "packed"))
        names = sorted(re.sub("^.*-json", "", path.name) for path in json_folder.glob("*-json*"))
        sizes = [path.stat().st_size for path in json_folder.glob("*-json*")]
        packed = sorted(re.sub("^.*-json", "", path.name) for path in packed_folder.glob("*-json*"))
        unpacked = gzip.decompress(next(packed_folder.glob("*.log.1.gz")).read_bytes())
    everything = [f"line {number}" for number in range(1, 60_001)]
    for name, lines in kept.items():
        # without a gap, up to the last
        assert lines, name
        assert lines == everything[-len(lines) :], name
        assert len(lines) < 60_000, name
    assert names == [".log", ".log.1", ".log.2"]
    assert max(sizes) < 101_000
    assert packed == [".log", ".log.1.gz", ".log.2.gz"]
    assert all(json.loads(line)["stream"] == "stdout" for line in unpacked.splitlines())


SIZE = 200_000_000


def test_a_flood_is_logged_to_the_last_byte_although_the_supervisor_is_killed(image: str):
    """R10, R24. The bytes on the disk are compared, since their number alone could hide a swap."""
    script = f"yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c {SIZE}; echo >&2 done"
    with stage() as pycompose:
        pycompose.compose_file(document({"web": service(image, script)}))
        pycompose("up", "-d")
        killed = 0
        while killed < 3 and is_running(pycompose):
            before = written(pycompose)
            while is_running(pycompose) and written(pycompose) < before + 5_000_000:
                pass
            killed += kill_supervisor(pycompose)
        pycompose("wait", "web", check=False, timeout=120)
        folder = log_folder(pycompose, "web")
        digest = hashlib.sha256()
        for path in sorted(folder.glob("*.stdout")):
            digest.update(path.read_bytes())
        assert log_of(pycompose, "web", "--tail", "2")[1] == "done\n"
    line = b"0123456789abcdefghijklmnopqrstuvwxyz\n"
    expected = (line * (SIZE // len(line) + 1))[:SIZE]
    assert killed >= 1
    assert digest.hexdigest() == hashlib.sha256(expected).hexdigest()


def is_running(pycompose: Pycompose) -> bool:
    engine = Engine(pycompose.paths)
    try:
        return any(record.is_running for record in engine.containers())
    finally:
        engine.close()


def written(pycompose: Pycompose) -> int:
    return sum(path.stat().st_size for path in log_folder(pycompose, "web").glob("*.stdout"))


def kill_supervisor(pycompose: Pycompose) -> int:
    """1 when one was there."""
    marker = os.fsencode(pycompose.paths.run)
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, NotADirectoryError):
            continue
        if marker in words and any(word.endswith(b"supervisor/__main__.py") for word in words):
            os.kill(int(entry.name), signal.SIGKILL)
            return 1
    return 0
