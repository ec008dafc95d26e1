"""What people write by mistake, as it was seen in their files: the whole text on stderr. See test_errors.py."""

from pathlib import Path

import pytest

from tests.fakes.files import run_config


@pytest.fixture
def said(tmp_path: Path):
    """What `config -q` says of one file."""
    return lambda text: run_config(tmp_path, {"compose.yaml": text}).err


def test_a_key_without_its_colon(said):
    files = """\
services:
  web
    image: nginx
"""
    assert (
        said(files)
        == """\
compose.yaml:3:10: error E010: this is no YAML: mapping values are not allowed in this context
  3 |     image: nginx
    |          ^
hint: line 2 has no `:` at its end: web:
"""
    )


def test_a_line_below_a_value(said):
    files = """\
services:
  web:
    image: nginx
      ports: ["80"]
"""
    assert (
        said(files)
        == """\
compose.yaml:4:12: error E010: this is no YAML: mapping values are not allowed in this context
  4 |       ports: ["80"]
    |            ^
hint: line 3 has a value already: indent line 4 as that one
"""
    )


def test_a_key_without_a_blank_behind_its_colon(said):
    files = """\
services:
  web:
    image:nginx
"""
    assert (
        said(files)
        == """\
compose.yaml:3:5: error E031: `web` in services must be a mapping, not text
  3 |     image:nginx
    |     ^^^^^^^^^^^
   at services.web
hint: a blank stands behind the colon: image: nginx
"""
    )


def test_items_without_a_blank_behind_their_dash(said):
    files = """\
services:
  web:
    image: nginx
    ports:
      -80:80
      -81:81
"""
    assert (
        said(files)
        == """\
compose.yaml:5:7: error E031: `ports` in services.web must be a list, not text
  5 |       -80:80
    |       ^^^^^^
   at services.web.ports
hint: a blank stands behind the dash: - 80:80
"""
    )


def test_variables_without_dashes(said):
    files = """\
services:
  web:
    image: nginx
    environment:
      A=1
      B=2
"""
    assert (
        said(files)
        == """\
compose.yaml:5:7: error E031: `environment` in services.web must be a mapping or a list, not text
  5 |       A=1
    |       ^^^
   at services.web.environment
hint: begin each line with `- `: - A=1
"""
    )


def test_dependencies_with_conditions_in_a_list(said):
    files = """\
services:
  db: {image: postgres}
  web:
    image: nginx
    depends_on:
      - db:
          condition: service_healthy
"""
    assert (
        said(files)
        == """\
compose.yaml:6:9: error E031: the item in services.web.depends_on must be text, not a mapping
  6 |       - db:
    |         ^^
   at services.web.depends_on[0]
hint: take the dashes away: with settings, `depends_on` is a mapping of names
"""
    )


def test_limits_without_the_resources_above_them(said):
    files = """\
services:
  web:
    image: nginx
    deploy:
      limits: {memory: 1g}
"""
    assert (
        said(files)
        == """\
compose.yaml:5:7: error E030: unknown attribute `limits` in services.web.deploy
  5 |       limits: {memory: 1g}
    |       ^^^^^^
   at services.web.deploy.limits
hint: `limits` belongs below `resources`: write that above it
"""
    )


def test_an_env_file_with_settings_that_is_no_item(said):
    files = """\
services:
  web:
    image: nginx
    env_file:
      path: web.env
      required: false
"""
    assert (
        said(files)
        == """\
compose.yaml:4:5: error E031: `env_file` in services.web must be a list or text, not a mapping
  4 |     env_file:
    |     ^^^^^^^^
   at services.web.env_file
hint: write it as a list: begin it with `- `
"""
    )


def test_volumes_in_a_list(said):
    files = """\
services:
  web: {image: nginx}
volumes:
  - data
"""
    assert (
        said(files)
        == """\
compose.yaml:3:1: error E031: `volumes` must be a mapping, not a list
  3 | volumes:
    | ^^^^^^^
   at volumes
hint: take the dashes away, and write a `:` behind each name
"""
    )


def test_quotes_from_a_web_page(said):
    files = """\
services:
  web:
    image: nginx
    ports: [“80:80”]
"""
    assert (
        said(files)
        == """\
compose.yaml:4:13: error E080: `“80:80”` is no port mapping: `80”` is no container port (0 to 65535)
  4 |     ports: [“80:80”]
    |             ^^^^^^^
   at services.web.ports
hint: typographic quotes are letters to YAML: write " or '
"""
    )


def test_blanks_from_a_web_page(said):
    files = """\
services:
  web:
    image: nginx
  x: 1
"""
    assert (
        said(files)
        == """\
compose.yaml:4:1: error E030: unknown attribute `��x`
  4 | ��x: 1
    | ^
   at ��x
hint: the line is indented with no-break spaces (U+00A0): YAML takes blanks only
"""
    )


def test_a_comment_of_another_language(said):
    files = """\
{"services": {"web": {"image": "nginx"}}} // the shop
"""
    assert (
        said(files)
        == """\
compose.yaml:1:43: error E010: this is no YAML: did not find expected <document start>
  1 | {"services": {"web": {"image": "nginx"}}} // the shop
    |                                           ^^^^^^^^^^^
hint: a comment begins with #
"""
    )


def test_a_file_in_place_of_a_service_to_extend(said):
    files = """\
services:
  web:
    extends: base.yaml
"""
    assert (
        said(files)
        == """\
compose.yaml:3:14: error E050: the service `base.yaml` to extend does not exist
  3 |     extends: base.yaml
    |              ^^^^^^^^^
   at services.web.extends
hint: for a service of another file: {file: base.yaml, service: web}
"""
    )


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("net", "network_mode"),
        ("log_driver", "logging.driver"),
        ("log_opt", "logging.options"),
        ("volume_driver", "driver` of a top-level volume, as in `volumes.data.driver"),
        ("memory", "mem_limit"),
        ("env", "environment"),
        ("limits", "deploy.resources.limits"),
        ("workdir", "working_dir"),
        ("name", "container_name"),
    ],
)
def test_a_word_of_docker_run_or_of_the_first_version(said, word: str, meant: str):
    assert said(f"services:\n  web:\n    image: nginx\n    {word}: x\n") == (
        f"compose.yaml:4:5: error E030: unknown attribute `{word}` in services.web\n"
        f"  4 |     {word}: x\n"
        f"    |     {'^' * len(word)}\n"
        f"   at services.web.{word}\n"
        f"hint: did you mean `{meant}`?\n"
    )
