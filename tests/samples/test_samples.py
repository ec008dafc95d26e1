"""Each sample as it stands, by the commands that its README names: it comes up, does what it says, and leaves nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import TOP, Pycompose

SAMPLES = TOP / "samples"
pytestmark = pytest.mark.kernel


class Sample:
    def __init__(self, pycompose: Pycompose, name: str) -> None:
        self.pycompose = pycompose
        self.words = ("-f", str(SAMPLES / name / "compose.yaml"))

    def __call__(self, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
        return self.pycompose(*self.words, *words, **options)

    def logs(self, service: str) -> list[str]:
        return self("logs", "--no-log-prefix", service).stdout.splitlines()


@pytest.fixture
def sample(pycompose: Pycompose, request: pytest.FixtureRequest) -> Sample:
    return Sample(pycompose, request.param)


def fetch(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        return answer.read().decode()


def sample_named(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sample", [name], indirect=True, ids=[name])


@sample_named("hello")
def test_hello_greets_counts_and_keeps_its_count_over_a_down(sample: Sample):
    sample("up", "-d", "--wait")
    assert fetch(8080).startswith("Hello from pycompose!\nYou are visitor ")
    sample("stop", "worker")
    visits = int(fetch(8080).split("visitor ")[1].split(".")[0])
    assert fetch(8080).splitlines()[1] == f"You are visitor {visits + 1}. The secret has 13 letters."
    sample("down")
    sample("up", "-d", "--wait", "web")
    assert f"You are visitor {visits + 2}." in fetch(8080)
    assert sample("down", "-v").stdout == ""


@sample_named("hello")
def test_the_readmes_first_command_follows_until_it_is_interrupted(sample: Sample):
    up = sample.pycompose.start(*sample.words, "up")
    assert up.stdout
    seen = []
    for line in up.stdout:
        seen.append(line.rstrip())
        if line.startswith("worker-1  | You are visitor"):
            break
    assert "web-1     | listening: http://localhost:8080" in seen
    up.send_signal(signal.SIGINT)
    _out, err = up.communicate(timeout=60)
    assert up.returncode == 130
    assert "Container hello-web-1 Stopped" in err
    assert sample("ps", "-q").stdout == ""


@sample_named("jobs")
def test_jobs_run_one_after_the_other_and_the_last_decides(sample: Sample):
    up = sample("up", "--exit-code-from", "report")
    said = [line for line in up.stdout.splitlines() if "|" in line]
    assert said == [
        "extract-1    | extracted 100 numbers",
        "transform-1  | summed",
        "report-1     | the sum is 5050",
    ]


@sample_named("rootfs")
def test_a_root_file_system_of_ones_own_is_imported_served_and_taken_away(
    sample: Sample, tmp_path: Path
):
    tar = tmp_path / "rootfs.tar"
    subprocess.run([SAMPLES / "rootfs" / "make-rootfs.sh", tar], check=True)
    sample.pycompose("image", "import", str(tar), "sample-busybox")
    sample("up", "-d", "--wait")
    assert fetch(8081) == "<h1>served by busybox</h1>\n"
    assert sample.logs("shell") == ["<h1>served by busybox</h1>", "little"]
    sample("down")
    sample.pycompose("image", "rm", "sample-busybox")
    assert sample.pycompose("image", "ls", "-q").stdout == ""


@sample_named("scale")
def test_replicas_answer_behind_one_name_and_more_of_them_after_scaling(sample: Sample):
    sample("up", "-d", "--wait")
    sample("wait", "asker", check=False)
    assert sample.logs("asker") == ["web has 3 addresses", "3 replicas answered"]
    sample("up", "-d", "--scale", "web=5")
    asked = sample("run", "--rm", "--no-deps", "-T", "-e", "REPLICAS=5", "asker")
    assert asked.stdout.splitlines() == ["web has 5 addresses", "5 replicas answered"]
    sample("down")


@sample_named("webshop")
def test_the_webshop_sells_through_nginx_from_postgresql_and_redis(sample: Sample):
    sample("up", "-d", "--wait", timeout=120)
    answers = [json.loads(fetch(8088)) for _ in range(6)]
    assert answers[0]["items"] == {"tulip": 3, "rose": 5, "fern": 9}
    assert [answer["visits"] for answer in answers] == [1, 2, 3, 4, 5, 6]
    while len({answer["served_by"] for answer in answers}) < 2 and len(answers) < 100:
        answers.append(json.loads(fetch(8088)))  # nginx draws lots for each question
    assert len({answer["served_by"] for answer in answers}) == 2
    assert sample.logs("migrate") == ["the shop has its table"]
    sample("down", "-v")
