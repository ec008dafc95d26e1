"""`config`: the model at each stage, what it lists, and where each value came from."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from compose.cli import verbs
from compose.cli.flags import read_signature
from tests.fakes.files import Ran, run_config

SHOP = """\
name: shop
services:
  web:
    extends: {file: base.yaml, service: base}
    environment:
      - LEVEL=debug
      - TOKEN
    env_file: web.env
    depends_on: [db]
    volumes: ["data:/data"]
    networks: [front]
  db:
    image: postgres:${PG:-16}
    profiles: [all]
networks: {front: , spare: }
volumes: {data: }
"""
BASE = """\
services:
  base:
    image: nginx:${TAG}
    environment: {LEVEL: info, MODE: "${MODE}"}
"""
FILES = {
    "compose.yaml": SHOP,
    "base.yaml": BASE,
    "compose.override.yaml": "services: {web: {environment: {LEVEL: trace}}}\n",
    ".env": "TAG=1.27\nMODE=fast\n",
    "web.env": "# of web\nFROM_FILE=1\nLEVEL=quiet\n",
}


@pytest.fixture
def config(tmp_path: Path):
    def run(*words: str, files=FILES, environment=None, before=("--profile", "all")) -> Ran:
        return run_config(
            tmp_path, files, *before, "config", *words, environment=environment or {"TOKEN": "t"}
        )

    return run


# --- lists


def test_services_are_listed_each_after_those_that_it_needs(config):
    assert config("--services").out == "db\nweb\n"


def test_resources_that_nothing_uses_are_listed_on_request(config):
    assert config("--networks").out == "front\ndefault\n"
    everything = config("--networks", before=("--profile", "all", "--all-resources"))
    assert everything.out == "front\nspare\ndefault\n"
    assert config("--volumes").out == "data\n"


def test_images_of_builds_have_the_name_that_they_will_have(config):
    files = {"compose.yaml": "services: {a: {build: .}, b: {image: mine:1}, c: {image: mine:1}}"}
    ran = config("--images", files=files, before=("-p", "shop"))
    assert ran.out == "shop-a\nmine:1\nmine:1\n"


def test_every_profile_is_listed_active_or_not(config):
    files = {"compose.yaml": "services: {a: {image: x, profiles: [two, one]}, b: {image: x}}"}
    assert config("--profiles", files=files, before=()).out == "one\ntwo\n"


def test_artifacts_of_models_are_listed(config):
    files = {"compose.yaml": "services: {a: {image: x, models: [m]}}\nmodels: {m: {model: ai/s}}"}
    assert config("--models", files=files, before=()).out == "ai/s\n"


def test_variables_are_a_table_with_defaults_and_alternatives(config):
    files = {"compose.yaml": 'services: {a: {image: "x:${T:-1}${A:?no}${B:+b}$$C", command: $D}}'}
    assert config("--variables", files=files, before=()).out == (
        "NAME                REQUIRED            DEFAULT VALUE       ALTERNATE VALUE\n"
        "A                   true                                    \n"
        "B                   false                                   b\n"
        "D                   false                                   \n"
        "T                   false               1                   \n"
    )


def test_variables_in_yaml_have_small_names(config):
    files = {"compose.yaml": 'services: {a: {image: "x:${T:-1}"}}'}
    assert config("--variables", "--format", "yaml", files=files, before=()).out == (
        'T:\n  name: T\n  defaultvalue: "1"\n  presencevalue: ""\n  required: false\n'
    )


def test_the_environment_is_that_of_interpolation(config):
    lines = config("--environment").out.splitlines()
    assert [line for line in lines if line.split("=")[0] in ("MODE", "TAG", "TOKEN")] == [
        "MODE=fast",
        "TAG=1.27",
        "TOKEN=t",
    ]


def test_a_hash_changes_with_what_the_container_is_made_of_and_with_nothing_else(config):
    def hash_of(text: str) -> str:
        return config("--hash", "web", files={"compose.yaml": text}, before=()).out

    first = hash_of("services: {web: {image: nginx}}")
    name, digest = first.split()
    assert (name, len(digest)) == ("web", 64)
    assert hash_of("services: {web: {image: nginx, scale: 3}, other: {image: x}}") == first
    assert hash_of("services: {web: {image: nginx, tty: true}}") != first


def test_the_hash_of_a_service_that_does_not_exist_is_an_error(config):
    ran = config("--hash", "wbe", files={"compose.yaml": "services: {web: {image: x}}"}, before=())
    assert ran.err == "error E050: no such service: wbe\nhint: did you mean `web`?\n"


# --- stages


def test_the_model_is_printed_in_yaml_or_json(config):
    files = {"compose.yaml": "name: a\nservices: {web: {image: x, command: echo $$HOME}}"}
    assert config(files=files, before=()).out == (
        "name: a\nservices:\n  web:\n    command:\n      - echo\n      - $$HOME\n    image: x\n"
        "    networks:\n      default: null\nnetworks:\n  default:\n    name: a_default\n"
    )
    model = json.loads(config("--format", "json", files=files, before=()).out)
    assert model["services"]["web"]["command"] == ["echo", "$$HOME"]


def test_what_is_printed_can_be_loaded_again_and_is_the_same(config, tmp_path):
    for form in ("yaml", "json"):
        first = config("--format", form).out
        files = {"again/compose.yaml": first}
        again = run_config(
            tmp_path, files, "-f", "again/compose.yaml", "--profile", "all", "config",
            "--format", form,
        )  # fmt: skip
        assert again.out == first


def test_named_services_come_with_what_they_need(config):
    files = {
        "compose.yaml": "services: {a: {image: x, depends_on: [b]}, b: {image: x}, c: {image: x}}"
    }
    model = json.loads(config("a", "--format", "json", files=files, before=()).out)
    assert sorted(model["services"]) == ["a", "b"]


def test_quiet_checks_everything_and_prints_nothing(config):
    assert config("-q") == (0, "", "")
    bad = config(
        "-q", files={"compose.yaml": "services: {web: {image: x, networks: [a]}}"}, before=()
    )
    assert (bad.code, bad.out) == (1, "")


def test_the_output_goes_into_a_file(config, tmp_path):
    assert config("-o", "out.yaml") == (0, "", "")
    assert (tmp_path / "out.yaml").read_text() == config().out


def test_without_interpolation_short_forms_with_variables_stay_short(config):
    text = 'services: {web: {image: "x:$T", ports: ["${P}:80"], depends_on: ["${DB}"]}}'
    files = {
        "compose.yaml": f"name: a\ninclude: [more.yaml]\n{text}",
        "more.yaml": "services: {db: {image: y}}",
    }
    ran = config("--no-interpolate", "--no-consistency", "web", files=files, before=())
    assert ran.err == ""
    assert "image: x:$T" in ran.out
    assert "- ${P}:80" in ran.out


def test_without_normalising_no_name_and_no_network_is_added(config):
    files = {
        "compose.yaml": "name: a\nservices: {web: {image: x, volumes: ['d:/d']}}\nvolumes: {d: }"
    }
    assert config("--no-normalize", files=files, before=()).out == (
        "name: a\nservices:\n  web:\n    image: x\n    volumes:\n      - type: volume\n"
        "        source: d\n        target: /d\n        volume: {}\nvolumes:\n  d: {}\n"
    )


def test_without_env_resolution_env_files_are_named_and_not_read(config):
    files = {"compose.yaml": "services: {web: {image: x, env_file: absent.env}}"}
    ran = config("--no-env-resolution", "--format", "json", files=files, before=())
    found = json.loads(ran.out)["services"]["web"]["env_file"]
    assert found == [{"path": "/home/me/shop/absent.env", "required": True}]


def test_without_path_resolution_paths_stay_as_they_are_written(config):
    files = {"compose.yaml": "services: {web: {build: ./src}}"}
    model = json.loads(
        config("--no-path-resolution", "--format", "json", files=files, before=()).out
    )
    assert model["services"]["web"]["build"]["context"] == "./src"


def test_an_unknown_format_is_refused(config):
    ran = config("--format", "toml")
    assert (ran.code, ran.err) == (1, 'unsupported format "toml"\n')


def test_a_secret_of_an_included_file_may_come_from_a_variable_of_its_env_file(config):
    files = {
        "compose.yaml": "include: [sub/compose.yaml]",
        "sub/compose.yaml": (
            "services: {web: {image: x, secrets: [s], configs: [c]}}\n"
            "secrets: {s: {environment: S}}\nconfigs: {c: {environment: C}}\n"
        ),
        "sub/.env": "S=hidden\nC=shown\n",
    }
    model = json.loads(config("--format", "json", files=files, before=("-p", "a")).out)
    assert model["secrets"] == {"s": {"name": "a_s", "environment": "S"}}
    assert model["configs"]["c"]["environment"] == "C"
    assert "hidden" not in json.dumps(model)


# --- origins


def test_the_origin_of_a_value_is_named_through_everything_it_passed(config):
    assert config("--origin", "services.web.environment.MODE").out == (
        "services.web.environment.MODE: fast"
        "  # base.yaml:4:38, MODE from .env:2:1, extended by services.web at compose.yaml:4:5\n"
    )


def test_a_service_and_a_list_can_be_asked_for_by_short_names(config):
    assert config("--origin", "web.volumes[0].target").out == (
        "services.web.volumes[0].target: /data  # compose.yaml:10:15\n"
    )
    assert config("--origin", "web.environment").out == (
        "services.web.environment:\n"
        '  FROM_FILE: "1"  # web.env:2:1, env_file of compose.yaml:8:15\n'
        "  LEVEL: trace  # compose.override.yaml:1:39, in place of compose.yaml:6:9\n"
        "  MODE: fast  # base.yaml:4:38, MODE from .env:2:1,"
        " extended by services.web at compose.yaml:4:5\n"
        "  TOKEN: t  # compose.yaml:7:9, TOKEN from the shell\n"
    )


def test_a_place_where_nothing_is_names_the_nearest(config):
    assert config("--origin", "services.web.enviroment.MODE").err == (
        "error E216: the model has no `services.web.enviroment.MODE`\n"
        "hint: did you mean `services.web.environment`?\n"
    )


def test_the_whole_model_with_its_origins_is_yaml_and_loads_as_the_model(config, tmp_path):
    annotated = config("--origin").out
    assert "image: nginx:1.27  # base.yaml:3:12, TAG from .env:1:1" in annotated
    again = run_config(
        tmp_path, {"again.yaml": annotated}, "-f", "again.yaml", "--profile", "all", "config"
    )
    assert again.out == config().out


def test_a_value_of_an_included_file_says_who_includes_it(config):
    files = {
        "compose.yaml": "include: [db.yaml]\nservices: {web: {image: x}}",
        "db.yaml": "services: {db: {image: postgres}}",
    }
    assert config("--origin", "db.image", files=files, before=()).out == (
        "services.db.image: postgres  # db.yaml:1:24, included at compose.yaml:1:11\n"
    )


# --- digests

DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def registry() -> Iterator[str]:
    """HOST:PORT of a registry that answers every manifest with one digest."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Docker-Content-Digest", DIGEST)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_images_are_pinned_to_the_digest_that_their_registry_says(config, registry):
    pinned = f"{registry}/app:1@{DIGEST}"
    files = {"compose.yaml": f"services: {{a: {{image: '{registry}/app:1'}}, b: {{image: host}}}}"}
    ran = config("--resolve-image-digests", "--format", "json", files=files, before=("-p", "shop"))
    services = json.loads(ran.out)["services"]
    assert (services["a"]["image"], services["b"]["image"]) == (pinned, "host")


def test_locking_prints_an_override_file_of_the_images_alone(config, registry):
    files = {"compose.yaml": f"services: {{a: {{image: '{registry}/app:1', tty: true}}}}"}
    ran = config("--lock-image-digests", files=files, before=("-p", "shop"))
    assert ran.out == f"services:\n  a:\n    image: {registry}/app:1@{DIGEST}\n"


def test_without_interpolation_images_with_a_variable_stay_as_they_are(config, registry):
    services = f"{{a: {{image: '{registry}/app:1', tty: true}}, b: {{image: 'x:$T'}}}}"
    files = {"compose.yaml": f"name: shop\nservices: {services}"}
    ran = config("--no-interpolate", "--lock-image-digests", files=files, before=())
    assert ran.out == (
        f"services:\n  a:\n    image: {registry}/app:1@{DIGEST}\n  b:\n    image: x:$T\n"
    )


def test_bytes_that_are_no_text_are_printed_as_they_were_written(config):
    """As Go prints them: it knows no text but UTF-8."""
    files = {"compose.yaml": "services: {a: {image: !!binary gICAgA==, user: !!binary YQ==}}\n"}
    printed = config(files=files).out
    assert "    image: !!binary gICAgA==\n" in printed
    assert "    user: a\n" in printed
    assert config(files={"compose.yaml": printed}).out == printed
    assert '"image": "\\ufffd\\ufffd\\ufffd\\ufffd"' in config("--format", "json", files=files).out


# --- every flag

ALL = {
    "compose.yaml": """\
name: shop
services:
  web:
    image: nginx:${TAG:-1}
    container_name: web
    env_file: web.env
    volumes: [".:/here"]
    models: [llm]
    profiles: [all]
models: {llm: {model: ai/model}}
networks: {default: }
volumes: {spare: }
""",
    "web.env": "FROM_FILE=1\n",
}
TWICE = {"compose.yaml": "services: {a: {image: x, depends_on: [nobody]}}"}
FLAGS = [one.flag.long for one in read_signature(verbs.load("config").command).flags]
NEEDS_REGISTRY = {"--resolve-image-digests", "--lock-image-digests"}
"""test_images_are_pinned... and test_locking... above."""


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_makes_a_difference(config, tmp_path: Path, flag: str):
    if flag in NEEDS_REGISTRY:
        pinned = config(flag, files={"compose.yaml": "services: {a: {image: localhost:1/a}}"})
        assert pinned.code == 1  # nobody listens there: it was asked
        return
    value = {"--format": "json", "--output": str(tmp_path / "out"), "--hash": "*"}.get(flag)
    words = (flag,) if value is None else (flag, value)
    files = TWICE if flag == "--no-consistency" else ALL
    plain, ran = config(files=files), config(*words, files=files)
    assert (ran.code, ran.out, ran.err) != (plain.code, plain.out, plain.err)


def test_parts_with_nothing_in_them_are_printed_by_json_alone(config):
    """As Go prints a structure that is no pointer."""
    text = """\
name: shop
services:
  web:
    image: nginx
    deploy: {resources: {}, placement: {}, update_config: {}}
    network_mode: host
networks:
  front: {ipam: {config: []}}
"""
    files, everything = {"compose.yaml": text}, ("--all-resources",)
    assert (
        config(files=files, before=everything).out
        == """\
name: shop
services:
  web:
    deploy:
      update_config: {}
    image: nginx
    network_mode: host
networks:
  front:
    name: shop_front
"""
    )
    model = json.loads(config("--format", "json", files=files, before=everything).out)
    assert model["services"]["web"]["deploy"] == {
        "update_config": {},
        "resources": {},
        "placement": {},
    }
    assert model["networks"]["front"] == {"name": "shop_front", "ipam": {}}
