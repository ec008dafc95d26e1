"""What a person reads when a file is wrong: the smallest file, and the whole text on stderr.

The first fault of each code stands in schemas/codes.md, with tests/compose/loading/test_examples.py; here are the
other ways to be wrong. Values that show in a text are the test's own: the files lie in /home/me/shop.
"""

from pathlib import Path

import pytest

from tests.fakes.files import run_config


@pytest.fixture
def said(tmp_path: Path):
    """What `config -q`, or another command line, says of files. `NAME:` on a line of its own begins a further file."""

    def say(text: str, *words: str) -> str:
        first, *more = text.split("--- ")
        files = {"compose.yaml": first}
        files |= dict(part.split("\n", 1) for part in more)
        return run_config(tmp_path, files, *words).err

    return say


# --- what is written is no YAML


def test_a_tab_in_the_indentation_is_named(said):
    files = """\
services:
  web:
    image: nginx
	command: sleep 1
"""
    assert (
        said(files)
        == """\
compose.yaml:4:1: error E010: this is no YAML: found a tab character that violates indentation
  4 |     command: sleep 1
    | ^^^^
   while scanning a plain scalar, from compose.yaml:3:12
hint: line 4 is indented with a tab: YAML takes blanks only
"""
    )


def test_a_quote_that_is_never_closed_is_named_where_it_opens(said):
    files = """\
services:
  web:
    image: "nginx
    command: sleep 1
"""
    assert (
        said(files)
        == """\
compose.yaml:3:12: error E010: this is no YAML: found unexpected end of stream
  3 |     image: "nginx
    |            ^^^^^^
   it goes on to compose.yaml:5:1
hint: a quote was opened and never closed
"""
    )


def test_a_bracket_that_is_never_closed_is_named_where_it_opens(said):
    files = """\
services:
  web:
    ports: ["80:80"
"""
    assert (
        said(files)
        == """\
compose.yaml:3:12: error E010: this is no YAML: did not find expected ',' or ']'
  3 |     ports: ["80:80"
    |            ^
   it goes on to compose.yaml:4:1
hint: a `[` is not closed, or a comma is missing
"""
    )


def test_a_colon_inside_a_value_needs_quotes(said):
    files = """\
services:
  web:
    image: nginx
    command: echo one: two
"""
    assert (
        said(files)
        == """\
compose.yaml:4:22: error E010: this is no YAML: mapping values are not allowed in this context
  4 |     command: echo one: two
    |                      ^
hint: a `: ` inside a value needs quotes
"""
    )


def test_a_value_cannot_begin_with_an_at_sign(said):
    files = """\
services:
  web:
    image: @nginx
"""
    assert (
        said(files)
        == """\
compose.yaml:3:12: error E010: this is no YAML: found character that cannot start any token
  3 |     image: @nginx
    |            ^^^^^^
hint: a value that begins with @ ` or % needs quotes
"""
    )


def test_an_item_may_not_stand_beside_its_list(said):
    files = """\
services:
  web:
    command:
      - echo
      hello
      again: 1
"""
    assert (
        said(files)
        == """\
compose.yaml:6:7: error E010: this is no YAML: could not find expected ':'
  6 |       again: 1
    |       ^^^^^
   while scanning a simple key, from compose.yaml:5:7
"""
    )


def test_every_key_that_is_given_twice_is_told_in_one_run(said):
    files = """\
services:
  web:
    image: nginx
    image: apache
  db:
    image: postgres
    image: mysql
"""
    assert (
        said(files)
        == """\
compose.yaml:4:5: error E017: `image` is given twice
  4 |     image: apache
    |     ^^^^^
   first given at compose.yaml:3:5
hint: keep one of the two

compose.yaml:7:5: error E017: `image` is given twice
  7 |     image: mysql
    |     ^^^^^
   first given at compose.yaml:6:5
hint: keep one of the two
"""
    )


def test_a_port_with_a_blank_after_its_colon_is_a_key_that_is_a_number(said):
    files = """\
services:
  web:
    image: nginx
    ports:
      - 80: 80
"""
    assert (
        said(files)
        == """\
compose.yaml:5:9: error E012: a key must be text, not `80`
  5 |       - 80: 80
    |         ^^
hint: quote it: "80"; a port mapping has no blank after its colon
"""
    )


def test_an_unknown_anchor_lists_those_that_stand_above(said):
    files = """\
x-env: &env {A: 1}
services:
  web: {image: nginx, environment: *envv}
"""
    assert (
        said(files)
        == """\
compose.yaml:3:36: error E013: there is no anchor `envv`
  3 |   web: {image: nginx, environment: *envv}
    |                                    ^^^^^
hint: anchors above this line: `env`
"""
    )


def test_a_merge_key_given_twice(said):
    files = """\
x-a: &a {image: nginx}
services:
  web:
    <<: *a
    <<: *a
"""
    assert (
        said(files)
        == """\
compose.yaml:5:5: error E017: `<<` is given twice
  5 |     <<: *a
    |     ^^
   first given at compose.yaml:4:5
"""
    )


def test_all_files_that_cannot_be_read_are_told_in_one_run(said):
    files = """\
services: {web: {image: nginx}}
--- other.yaml
services:
  web: {image: [nginx}
"""
    assert (
        said(files, "-f", "compose.yaml", "-f", "absent.yaml", "-f", "other.yaml", "config")
        == """\
error E002: cannot read the file absent.yaml: no such file or directory

other.yaml:2:22: error E010: this is no YAML: did not find expected ',' or ']'
  2 |   web: {image: [nginx}
    |                      ^
hint: a `[` is not closed, or a comma is missing
"""
    )


# --- attributes and their places


def test_an_attribute_that_stands_too_far_to_the_left(said):
    files = """\
services:
  web:
    image: nginx
  environment: {A: "1"}
"""
    assert (
        said(files)
        == """\
compose.yaml:4:17: error E030: unknown attribute `A` in services.environment
  4 |   environment: {A: "1"}
    |                 ^
   at services.environment.A
hint: `environment` belongs to the service above it: indent it further
"""
    )


def test_an_attribute_below_services_without_a_service_around_it(said):
    files = """\
services:
  web:
  image: nginx
"""
    assert (
        said(files)
        == """\
compose.yaml:2:3: error E031: `web` in services must be a mapping, but nothing is written
  2 |   web:
    |   ^^^
   at services.web
hint: what belongs to `web` stands below it, indented further

compose.yaml:3:10: error E031: `image` in services must be a mapping, not text
  3 |   image: nginx
    |          ^^^^^
   at services.image
hint: `image` belongs to the service above it: indent it further
"""
    )


def test_an_attribute_at_the_top_level(said):
    files = """\
image: nginx
services:
  web: {image: nginx}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:1: error E030: unknown attribute `image`
  1 | image: nginx
    | ^^^^^
   at image
hint: `image` belongs to a service, below `services`
"""
    )


def test_a_service_at_the_top_level(said):
    files = """\
services: {}
web:
  image: nginx
"""
    assert (
        said(files)
        == """\
compose.yaml:2:1: error E030: unknown attribute `web`
  2 | web:
    | ^^^
   at web
hint: put the service `web` below `services`
"""
    )


def test_an_attribute_that_stands_too_far_to_the_right(said):
    files = """\
services:
  web:
    image: nginx
    build:
      context: .
      ports: ["80:80"]
"""
    assert (
        said(files)
        == """\
compose.yaml:6:7: error E030: unknown attribute `ports` in services.web.build
  6 |       ports: ["80:80"]
    |       ^^^^^
   at services.web.build.ports
hint: `ports` belongs to services.web: indent it less
"""
    )


def test_an_attribute_that_belongs_into_the_mapping_beside_it(said):
    files = """\
services:
  web:
    image: nginx
    healthcheck: {test: "true"}
    interval: 3s
"""
    assert (
        said(files)
        == """\
compose.yaml:5:5: error E030: unknown attribute `interval` in services.web
  5 |     interval: 3s
    |     ^^^^^^^^
   at services.web.interval
hint: `interval` belongs to `healthcheck`: indent it further
"""
    )


def test_an_unknown_name_at_the_top_level(said):
    files = """\
services: {web: {image: nginx}}
anything: {}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:1: error E030: unknown attribute `anything`
  2 | anything: {}
    | ^^^^^^^^
   at anything
hint: names of your own begin with `x-`
"""
    )


def test_every_unknown_attribute_is_told_in_one_run(said):
    files = """\
services:
  web:
    imag: nginx
    prots: ["80:80"]
"""
    assert (
        said(files)
        == """\
compose.yaml:3:5: error E030: unknown attribute `imag` in services.web
  3 |     imag: nginx
    |     ^^^^
   at services.web.imag
hint: did you mean `image`?

compose.yaml:4:5: error E030: unknown attribute `prots` in services.web
  4 |     prots: ["80:80"]
    |     ^^^^^
   at services.web.prots
hint: did you mean `ports`?
"""
    )


def test_a_volume_with_a_blank_after_its_colon(said):
    files = """\
services:
  web:
    image: nginx
    volumes:
      - ./data: /data
"""
    assert (
        said(files)
        == """\
compose.yaml:5:9: error E030: unknown attribute `./data` in services.web.volumes.0
  5 |       - ./data: /data
    |         ^^^^^^
   at services.web.volumes[0]../data
hint: for the short form leave the blank out: `- ./data:/data`

compose.yaml:5:9: error E034: `type` is missing in services.web.volumes.0
  5 |       - ./data: /data
    |         ^^^^^^
   at services.web.volumes[0]
"""
    )


def test_a_key_and_value_in_a_list_of_words(said):
    files = """\
services:
  web:
    image: nginx
    cap_add:
      - NET_ADMIN: true
"""
    assert (
        said(files)
        == """\
compose.yaml:5:9: error E031: the item in services.web.cap_add must be text, not a mapping
  5 |       - NET_ADMIN: true
    |         ^^^^^^^^^
   at services.web.cap_add[0]
hint: write `- NET_ADMIN`
"""
    )


# --- values of the wrong kind


def test_a_number_where_text_is_needed(said):
    files = """\
services: {web: {image: 1.27}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:25: error E031: `image` in services.web must be text, not a number
  1 | services: {web: {image: 1.27}}
    |                         ^^^^
   at services.web.image
hint: quote it: "1.27"
"""
    )


def test_the_restart_policy_no_needs_quotes(said):
    files = """\
services: {web: {image: nginx, restart: no}}
"""
    assert (
        said(files)
        == """\
"""
    )


def test_the_restart_policy_false(said):
    files = """\
services: {web: {image: nginx, restart: false}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:41: error E031: `restart` in services.web must be text, not true or false
  1 | services: {web: {image: nginx, restart: false}}
    |                                         ^^^^^
   at services.web.restart
hint: the policy is the word "no", in quotes
"""
    )


def test_a_version_that_is_a_number(said):
    files = """\
version: 3.8
services: {web: {image: nginx}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:10: error E031: `version` must be text, not a number
  1 | version: 3.8
    |          ^^^
   at version
hint: leave it out: Compose files have no versions any more
"""
    )


def test_text_where_a_list_is_needed(said):
    files = """\
services: {web: {image: nginx, ports: "80:80"}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:39: error E031: `ports` in services.web must be a list, not text
  1 | services: {web: {image: nginx, ports: "80:80"}}
    |                                       ^^^^^^^
   at services.web.ports
hint: write it as a list: ["80:80"]
"""
    )


def test_a_list_where_a_mapping_is_needed(said):
    files = """\
services:
  - web: {image: nginx}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:1: error E031: `services` must be a mapping, not a list
  1 | services:
    | ^^^^^^^^
   at services
hint: take the dashes away
"""
    )


def test_nothing_where_something_is_needed(said):
    files = """\
services:
  web:
    image:
    ports:
"""
    assert (
        said(files)
        == """\
compose.yaml:3:5: error E031: `image` in services.web must be text, but nothing is written
  3 |     image:
    |     ^^^^^
   at services.web.image
hint: give it a value, or leave it out

compose.yaml:4:5: error E031: `ports` in services.web must be a list, but nothing is written
  4 |     ports:
    |     ^^^^^
   at services.web.ports
hint: give it a value, or leave it out
"""
    )


def test_text_where_a_mapping_is_needed(said):
    files = """\
services: {web: nginx}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:17: error E031: `web` in services must be a mapping, not text
  1 | services: {web: nginx}
    |                 ^^^^^
   at services.web
"""
    )


def test_a_number_in_a_list_of_words(said):
    files = """\
services: {web: {image: nginx, cap_add: [1]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:42: error E031: the item in services.web.cap_add must be text, not a number
  1 | services: {web: {image: nginx, cap_add: [1]}}
    |                                          ^
   at services.web.cap_add[0]
hint: quote it: "1"
"""
    )


def test_a_choice_and_the_nearest_of_it(said):
    files = """\
services: {web: {image: nginx, volumes: [{type: bnd, source: ., target: /a}]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:49: error E032: `bnd` is not one of `bind`, `volume`, `tmpfs`, `cluster`, `npipe`, `image`
  1 | services: {web: {image: nginx, volumes: [{type: bnd, source: ., target: /a}]}}
    |                                                 ^^^
   at services.web.volumes[0].type
hint: did you mean `bind`?
"""
    )


def test_empty_text_where_a_choice_is_needed(said):
    files = """\
services: {web: {image: nginx, volumes: [{type: "", target: /a}]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:49: error E032: `""` is not one of `bind`, `volume`, `tmpfs`, `cluster`, `npipe`, `image`
  1 | services: {web: {image: nginx, volumes: [{type: "", target: /a}]}}
    |                                                 ^^
   at services.web.volumes[0].type
"""
    )


def test_a_number_below_its_bound(said):
    files = """\
services: {web: {image: nginx, cpu_percent: -1}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:45: error E033: `cpu_percent` must be at least 0, not -1
  1 | services: {web: {image: nginx, cpu_percent: -1}}
    |                                             ^^
   at services.web.cpu_percent
"""
    )


def test_a_number_that_is_infinite(said):
    files = """\
services: {web: {image: nginx, cpus: .inf}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:38: error E033: `+Inf` is no number that can be used
  1 | services: {web: {image: nginx, cpus: .inf}}
    |                                      ^^^^
   at services.web.cpus
"""
    )


def test_an_integer_that_is_none(said):
    files = """\
services: {web: {image: nginx, pids_limit: "many"}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:44: error E021: `many` is no integer
  1 | services: {web: {image: nginx, pids_limit: "many"}}
    |                                            ^^^^^^
   at services.web.pids_limit
hint: write a number, as in 4
"""
    )


def test_a_boolean_that_is_none(said):
    files = """\
services: {web: {image: nginx, tty: "perhaps"}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:37: error E021: `perhaps` is no boolean
  1 | services: {web: {image: nginx, tty: "perhaps"}}
    |                                     ^^^^^^^^^
   at services.web.tty
hint: write true or false
"""
    )


def test_the_same_mapping_twice(said):
    files = """\
services: {web: {image: nginx, group_add: [1, 1]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:47: error E037: the same item is given twice in services.web.group_add
  1 | services: {web: {image: nginx, group_add: [1, 1]}}
    |                                               ^
   at services.web.group_add[1]
   first given at compose.yaml:1:44
hint: keep one of the two
"""
    )


def test_an_attribute_without_which_the_long_form_means_nothing(said):
    files = """\
services: {web: {image: nginx, depends_on: {db: {restart: true}}}, db: {image: postgres}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:45: error E034: `condition` is missing in services.web.depends_on.db
  1 | services: {web: {image: nginx, depends_on: {db: {restart: true}}}, db: {image: postgres}}
    |                                             ^^
   at services.web.depends_on.db
"""
    )


# --- variables


def test_an_unset_variable_makes_a_port_wrong_and_the_nearest_is_named(said):
    files = """\
services:
  web: {image: nginx, ports: ["${WEB_PORT}:"]}
--- .env
WEB_PROT=80
"""
    assert (
        said(files)
        == """\
compose.yaml:2:31: error E080: `:` is no port mapping: the container's port is missing
  2 |   web: {image: nginx, ports: ["${WEB_PORT}:"]}
    |                               ^^^^^^^^^^^^^^
   at services.web.ports
hint: the variable `WEB_PORT` is not set; nearest defined: `WEB_PROT` in .env:1:1
"""
    )


def test_every_wrong_item_of_a_list_is_named(said):
    files = """\
services:
  web:
    image: host
    ports: ["80:abc", "80:80", "99999:1"]
"""
    assert (
        said(files)
        == """\
compose.yaml:4:13: error E080: `80:abc` is no port mapping: `abc` is no container port (0 to 65535)
  4 |     ports: ["80:abc", "80:80", "99999:1"]
    |             ^^^^^^^^
   at services.web.ports
hint: the short form is [IP:][HOST:]CONTAINER[/PROTOCOL], as in 127.0.0.1:8080:80/tcp

compose.yaml:4:32: error E080: `99999:1` is no port mapping: `99999` is no host port (0 to 65535)
  4 |     ports: ["80:abc", "80:80", "99999:1"]
    |                                ^^^^^^^^^
   at services.web.ports
hint: the short form is [IP:][HOST:]CONTAINER[/PROTOCOL], as in 127.0.0.1:8080:80/tcp
"""
    )


def test_an_unset_variable_leaves_a_service_without_image(said):
    files = """\
services:
  web:
    image: ${IMAGE}
"""
    assert (
        said(files)
        == """\
compose.yaml:3:12: error E035: the service `web` has neither an image nor a build
  3 |     image: ${IMAGE}
    |            ^^^^^^^^
   at services.web.image
hint: the variable `IMAGE` is not set
"""
    )


def test_the_place_where_a_variable_is_set_is_named(said):
    files = """\
services:
  web: {image: nginx, mem_limit: "${LIMIT}"}
--- .env
# how much
LIMIT=lots
"""
    assert (
        said(files)
        == """\
compose.yaml:2:34: error E089: `lots` is no size
  2 |   web: {image: nginx, mem_limit: "${LIMIT}"}
    |                                  ^^^^^^^^^^
   at services.web.mem_limit
   `LIMIT` is set in .env:2:1
hint: a size is a number with b, k, m or g, as in 64m
"""
    )


def test_a_required_variable_with_nothing_like_it(said):
    files = """\
services:
  web: {image: "nginx:${TAG:?}"}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:23: error E022: the variable `TAG` is required
  2 |   web: {image: "nginx:${TAG:?}"}
    |                       ^^^^^^^^
   at services.web.image
hint: set it in the shell or in `.env`: TAG=...
"""
    )


def test_every_required_variable_is_told_in_one_run(said):
    files = """\
services:
  web: {image: "nginx:${TAG:?say which}", command: "${COMMAND?}"}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:23: error E022: the variable `TAG` is required: say which
  2 |   web: {image: "nginx:${TAG:?say which}", command: "${COMMAND?}"}
    |                       ^^^^^^^^^^^^^^^^^
   at services.web.image
hint: set it in the shell or in `.env`: TAG=...

compose.yaml:2:53: error E022: the variable `COMMAND` is required
  2 |   web: {image: "nginx:${TAG:?say which}", command: "${COMMAND?}"}
    |                                                     ^^^^^^^^^^^
   at services.web.command
hint: set it in the shell or in `.env`: COMMAND=...
"""
    )


def test_a_variable_that_is_written_wrongly(said):
    files = """\
services:
  web: {image: nginx, command: "echo ${1}"}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:38: error E020: `${1}` is no variable
  2 |   web: {image: nginx, command: "echo ${1}"}
    |                                      ^^^^
   at services.web.command
hint: write $$ where a dollar sign is meant
"""
    )


def test_defaults_that_are_nested_without_end(said):
    files = """\
services:
  web: {image: nginx, command: "@nest@"}
""".replace("@nest@", "${A:-" * 32 + "}" * 32)
    assert (
        said(files)
        == """\
compose.yaml:2:32: error E023: defaults are nested more than 30 deep
  2 |   web: {image: nginx, command: "${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:-${A:}
    |                                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   at services.web.command
"""
    )


def test_an_unset_variable_is_warned_about_once_with_the_nearest(said):
    files = """\
services:
  web: {image: nginx, labels: {a: "$DB_PASS", b: "$DB_PASS"}}
--- .env
DB_PASSWORD=x
"""
    assert (
        said(files)
        == """\
compose.yaml:2:36: warning W001: The "DB_PASS" variable is not set. Defaulting to a blank string.
  2 |   web: {image: nginx, labels: {a: "$DB_PASS", b: "$DB_PASS"}}
    |                                    ^^^^^^^^
hint: nearest defined: `DB_PASSWORD` in .env:1:1
"""
    )


def test_a_variable_is_shown_where_it_stands_in_a_value_of_several_lines(said):
    files = """\
services:
  web:
    image: nginx
    command: |
      echo $$HERE
      echo ${HERE}/x
    labels: {url: "postgres://${NAME}:${WORD}@db"}
    entrypoint: >-
      folded
      ${NAMES} more
"""
    assert (
        said(files)
        == """\
compose.yaml:6:12: warning W001: The "HERE" variable is not set. Defaulting to a blank string.
  6 |       echo ${HERE}/x
    |            ^^^^^^^^^
compose.yaml:7:31: warning W001: The "NAME" variable is not set. Defaulting to a blank string.
  7 |     labels: {url: "postgres://${NAME}:${WORD}@db"}
    |                               ^^^^^^^^^^^^^^^^^^
compose.yaml:7:39: warning W001: The "WORD" variable is not set. Defaulting to a blank string.
  7 |     labels: {url: "postgres://${NAME}:${WORD}@db"}
    |                                       ^^^^^^^^^^
compose.yaml:10:7: warning W001: The "NAMES" variable is not set. Defaulting to a blank string.
 10 |       ${NAMES} more
    |       ^^^^^^^^^^^^^
"""
    )


def test_the_first_unset_variable_names_the_example_of_a_missing_env_file(said):
    files = """\
services:
  web: {image: "nginx:$TAG", user: $WHO}
--- .env.example
TAG=
"""
    assert (
        said(files)
        == """\
compose.yaml:2:23: warning W001: The "TAG" variable is not set. Defaulting to a blank string.
  2 |   web: {image: "nginx:$TAG", user: $WHO}
    |                       ^^^^
hint: copy .env.example to .env, and fill it in
compose.yaml:2:36: warning W001: The "WHO" variable is not set. Defaulting to a blank string.
  2 |   web: {image: "nginx:$TAG", user: $WHO}
    |                                    ^^^^
"""
    )


@pytest.mark.parametrize("example", ["web.env.example", "web.env.sample", "example.web.env"])
def test_an_env_file_that_everybody_writes_for_himself(said, example: str):
    files = f"""\
services:
  web: {{image: nginx, env_file: web.env}}
--- {example}
A=
"""
    assert (
        said(files)
        == f"""\
compose.yaml:2:33: error E002: cannot read the env file web.env: no such file or directory
  2 |   web: {{image: nginx, env_file: web.env}}
    |                                 ^^^^^^^
hint: copy {example} to web.env, and fill it in
"""
    )


@pytest.mark.parametrize(
    ("line", "said_of_it"),
    [
        ("image: {{ image }}", "4:13: error E012: a key must be text, not a list or mapping"),
        (
            "{% if x %}",
            "4:6: error E010: this is no YAML: found character that cannot start any token",
        ),
    ],
)
def test_a_template_that_is_not_filled_in(said, line: str, said_of_it: str):
    text = said(f"services:\n  web:\n    user: me\n    {line}\n")
    assert text.startswith(f"compose.yaml:{said_of_it}\n")
    assert text.endswith(
        "hint: `{{ }}` and `{% %}` are for a template engine: fill the template in first, or quote it\n"
    )


def test_a_variable_of_an_env_file_and_its_value_stays_hidden(said):
    files = """\
services:
  web: {image: nginx, env_file: web.env}
--- web.env
URL=postgres://me:secret@$HOST/
"""
    assert (
        said(files)
        == """\
web.env:1:5: warning W001: The "HOST" variable is not set. Defaulting to a blank string.
  1 | URL=…
    |     ^
"""
    )


# --- names that must be declared


def test_a_network_and_the_nearest_name(said):
    files = """\
services:
  web: {image: nginx, networks: [fornt]}
networks: {front: }
"""
    assert (
        said(files)
        == """\
compose.yaml:2:34: error E051: the network `fornt` is not declared
  2 |   web: {image: nginx, networks: [fornt]}
    |                                  ^^^^^
   at services.web.networks.fornt
hint: did you mean `front`?
"""
    )


def test_a_volume_and_the_nearest_name(said):
    files = """\
services:
  web: {image: nginx, volumes: ["dta:/data"]}
volumes: {data: }
"""
    assert (
        said(files)
        == """\
compose.yaml:2:33: error E051: the volume `dta` is not declared
  2 |   web: {image: nginx, volumes: ["dta:/data"]}
    |                                 ^^^^^^^^^^^
   at services.web.volumes[0].source
hint: did you mean `data`?
"""
    )


def test_a_secret_and_a_config_without_any_like_it(said):
    files = """\
services:
  web: {image: nginx, secrets: [key], configs: [site]}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:33: error E051: the secret `key` is not declared
  2 |   web: {image: nginx, secrets: [key], configs: [site]}
    |                                 ^^^
   at services.web.secrets[0].source
hint: declare it under the top-level `secrets`

compose.yaml:2:49: error E051: the config `site` is not declared
  2 |   web: {image: nginx, secrets: [key], configs: [site]}
    |                                                 ^^^^
   at services.web.configs[0].source
hint: declare it under the top-level `configs`
"""
    )


def test_a_model_that_is_not_declared(said):
    files = """\
services:
  web: {image: nginx, models: [llm]}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:32: error E051: the model `llm` is not declared
  2 |   web: {image: nginx, models: [llm]}
    |                                ^^^
   at services.web.models.llm
hint: declare it under the top-level `models`
"""
    )


def test_a_service_of_depends_on_and_of_network_mode(said):
    files = """\
services:
  web: {image: nginx, depends_on: [bd]}
  side: {image: nginx, network_mode: "service:wbe"}
  db: {image: postgres}
"""
    assert (
        said(files)
        == """\
compose.yaml:3:38: error E051: the service `wbe` is not declared
  3 |   side: {image: nginx, network_mode: "service:wbe"}
    |                                      ^^^^^^^^^^^^^
   at services.side.network_mode
hint: did you mean `web`?

compose.yaml:2:36: error E051: the service `bd` is not declared
  2 |   web: {image: nginx, depends_on: [bd]}
    |                                    ^^
   at services.web.depends_on.bd
hint: did you mean `db`?
"""
    )


def test_a_link_to_nobody(said):
    files = """\
services:
  web: {image: nginx, links: [db]}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:31: error E051: the service `db` is not declared
  2 |   web: {image: nginx, links: [db]}
    |                               ^^
   at services.web.depends_on.db
hint: add it under `services`, where web stands
"""
    )


def test_a_secret_of_a_build(said):
    files = """\
services:
  web: {build: {context: ., secrets: [token]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:39: error E051: the secret `token` is not declared
  2 |   web: {build: {context: ., secrets: [token]}}
    |                                       ^^^^^
   at services.web.build.secrets[0].source
hint: declare it under the top-level `secrets`
"""
    )


def test_a_service_to_extend_and_the_nearest_name(said):
    files = """\
services:
  web: {extends: bse}
  base: {image: nginx}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:18: error E050: the service `bse` to extend does not exist
  2 |   web: {extends: bse}
    |                  ^^^
   at services.web.extends
hint: did you mean `base`?
"""
    )


def test_a_service_to_extend_in_a_file_without_services(said):
    files = """\
services:
  web: {extends: {file: other.yaml, service: base}}
--- other.yaml
x-a: 1
"""
    assert (
        said(files)
        == """\
compose.yaml:2:46: error E050: the service `base` to extend does not exist in other.yaml
  2 |   web: {extends: {file: other.yaml, service: base}}
    |                                              ^^^^
   at services.web.extends
hint: that file has no services
"""
    )


def test_a_service_to_extend_in_another_file(said):
    files = """\
services:
  web: {extends: {file: other.yaml, service: base}}
--- other.yaml
services: {common: {image: nginx}}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:46: error E050: the service `base` to extend does not exist in other.yaml
  2 |   web: {extends: {file: other.yaml, service: base}}
    |                                              ^^^^
   at services.web.extends
hint: that file has common
"""
    )


def test_a_service_that_was_named_on_the_command_line(said):
    files = """\
services: {web: {image: nginx}, db: {image: postgres}}
"""
    assert (
        said(files, "config", "wbe")
        == """\
error E050: no such service: wbe
hint: did you mean `web`?
"""
    )


def test_a_service_that_was_named_and_is_like_none(said):
    files = """\
services: {web: {image: nginx}, db: {image: postgres}}
"""
    assert (
        said(files, "config", "xyz")
        == """\
error E050: no such service: xyz
hint: there are db, web
"""
    )


# --- how the loader came there


def test_a_fault_in_an_included_file_says_who_includes_it(said):
    files = """\
include: [sub/compose.yaml]
services: {web: {image: nginx}}
--- sub/compose.yaml
include: [deep.yaml]
--- sub/deep.yaml
services: {db: {imag: postgres}}
"""
    assert (
        said(files)
        == """\
sub/deep.yaml:1:17: error E030: unknown attribute `imag` in services.db
  1 | services: {db: {imag: postgres}}
    |                 ^^^^
   at services.db.imag
   included from sub/compose.yaml:1:11
   included from compose.yaml:1:11
hint: did you mean `image`?
"""
    )


def test_a_fault_in_an_extended_service_says_who_extends_it(said):
    files = """\
services:
  web: {extends: {file: base.yaml, service: base}}
--- base.yaml
services:
  base: {image: nginx, ports: ["x:80"]}
"""
    assert (
        said(files)
        == """\
base.yaml:2:32: error E080: `x:80` is no port mapping: `x` is no host port (0 to 65535)
  2 |   base: {image: nginx, ports: ["x:80"]}
    |                                ^^^^^^
   at services.web.ports
   taken over by services.web, compose.yaml:2:9
hint: the short form is [IP:][HOST:]CONTAINER[/PROTOCOL], as in 127.0.0.1:8080:80/tcp
"""
    )


def test_an_included_file_that_is_absent(said):
    files = """\
include: [db.yaml]
services: {web: {image: nginx}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:11: error E002: cannot read the file db.yaml: no such file or directory
  1 | include: [db.yaml]
    |           ^^^^^^^
"""
    )


def test_files_that_include_each_other(said):
    files = """\
include: [a.yaml]
services: {web: {image: nginx}}
--- a.yaml
include: [b.yaml]
--- b.yaml
include: [a.yaml]
"""
    assert (
        said(files)
        == """\
b.yaml:1:11: error E062: files include each other in a circle: a.yaml -> b.yaml -> a.yaml
  1 | include: [a.yaml]
    |           ^^^^^^
   included from a.yaml:1:11
   included from compose.yaml:1:11
hint: take one `include` away
"""
    )


def test_services_that_extend_each_other_over_files(said):
    files = """\
services:
  web: {extends: {file: a.yaml, service: a}}
--- a.yaml
services:
  a: {extends: {file: compose.yaml, service: web}}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:9: error E061: services extend each other in a circle: web -> a -> web
  2 |   web: {extends: {file: a.yaml, service: a}}
    |         ^^^^^^^
   at services.web.extends
   extends at a.yaml:2:16
hint: take one `extends` of the circle away
"""
    )


def test_a_circle_of_three_services_names_every_step(said):
    files = """\
services:
  a: {image: x, depends_on: [b]}
  b: {image: x, links: [c]}
  c: {image: x, volumes_from: [a]}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:30: error E060: services depend on each other in a circle: a -> b -> c -> a
  2 |   a: {image: x, depends_on: [b]}
    |                              ^
   at services.a.depends_on.b
   `b` needs `c` at compose.yaml:3:25
   `c` needs `a` at compose.yaml:4:32
hint: take one of these dependencies away
"""
    )


def test_an_env_file_with_a_fault_says_who_reads_it(said):
    files = """\
services:
  web: {image: nginx, env_file: [web.env]}
--- web.env
A=1
B C=2
"""
    assert (
        said(files)
        == """\
web.env:2:1: error E070: the name `B C` holds a blank
  2 | B C=…
    | ^^^^^
   read because of compose.yaml:2:34
hint: a line is NAME=value, or a comment that begins with #
"""
    )


def test_a_folder_where_an_env_file_is_needed(said):
    files = """\
services:
  web: {image: nginx, env_file: [conf]}
--- conf/a.env
A=1
"""
    assert (
        said(files)
        == """\
compose.yaml:2:34: error E002: cannot read the env file conf: is a directory
  2 |   web: {image: nginx, env_file: [conf]}
    |                                  ^^^^
hint: name a file in that folder
"""
    )


def test_include_that_is_no_list(said):
    files = """\
include: db.yaml
services: {web: {image: nginx}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:10: error E031: `include` takes a list
  1 | include: db.yaml
    |          ^^^^^^^
   at include
hint: write it as a list: include: [db.yaml]
"""
    )


def test_an_item_of_include_without_a_path(said):
    files = """\
include: [{env_file: x}]
services: {web: {image: nginx}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:11: error E034: an item of `include` needs a `path`
  1 | include: [{env_file: x}]
    |           ^
   at include[0]
"""
    )


def test_extends_that_is_neither_a_name_nor_a_mapping(said):
    files = """\
services: {web: {extends: [base]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:27: error E031: `extends` takes the name of a service, or a mapping of `service` and `file`
  1 | services: {web: {extends: [base]}}
    |                           ^
   at services.web.extends
"""
    )


def test_extends_without_a_service(said):
    files = """\
services: {web: {extends: {file: base.yaml}}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:18: error E034: `extends` needs a `service`
  1 | services: {web: {extends: {file: base.yaml}}}
    |                  ^^^^^^^
   at services.web.extends
"""
    )


# --- values that attributes refuse


def test_a_port_out_of_range(said):
    files = """\
services: {web: {image: nginx, ports: ["70000:80"]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:40: error E080: `70000:80` is no port mapping: `70000` is no host port (0 to 65535)
  1 | services: {web: {image: nginx, ports: ["70000:80"]}}
    |                                        ^^^^^^^^^^
   at services.web.ports
hint: the short form is [IP:][HOST:]CONTAINER[/PROTOCOL], as in 127.0.0.1:8080:80/tcp
"""
    )


def test_port_ranges_of_two_lengths(said):
    files = """\
services: {web: {image: nginx, ports: ["8000-8001:80-82"]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:40: error E080: `8000-8001:80-82` is no port mapping: 2 host ports cannot be paired with 3 of the container
  1 | services: {web: {image: nginx, ports: ["8000-8001:80-82"]}}
    |                                        ^^^^^^^^^^^^^^^^^
   at services.web.ports
hint: the short form is [IP:][HOST:]CONTAINER[/PROTOCOL], as in 127.0.0.1:8080:80/tcp
"""
    )


def test_a_port_range_that_runs_backwards(said):
    files = """\
services: {web: {image: nginx, ports: ["82-80"]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:40: error E080: `82-80` is no port mapping: the container range `82-80` runs backwards
  1 | services: {web: {image: nginx, ports: ["82-80"]}}
    |                                        ^^^^^^^
   at services.web.ports
hint: the short form is [IP:][HOST:]CONTAINER[/PROTOCOL], as in 127.0.0.1:8080:80/tcp
"""
    )


def test_a_protocol_that_ports_do_not_have(said):
    files = """\
services: {web: {image: nginx, ports: ["80/http"]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:40: error E080: `80/http` is no port mapping: unknown protocol `http`
  1 | services: {web: {image: nginx, ports: ["80/http"]}}
    |                                        ^^^^^^^^^
   at services.web.ports
hint: the short form is [IP:][HOST:]CONTAINER[/PROTOCOL], as in 127.0.0.1:8080:80/tcp
"""
    )


def test_a_host_address_that_is_none(said):
    files = """\
services: {web: {image: nginx, ports: ["localhost:80:80"]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:40: error E080: `localhost:80:80` is no port mapping: `localhost` is no IP address
  1 | services: {web: {image: nginx, ports: ["localhost:80:80"]}}
    |                                        ^^^^^^^^^^^^^^^^^
   at services.web.ports
hint: the short form is [IP:][HOST:]CONTAINER[/PROTOCOL], as in 127.0.0.1:8080:80/tcp
"""
    )


def test_a_host_address_of_the_long_form(said):
    files = """\
services: {web: {image: nginx, ports: [{target: 80, host_ip: here}]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:62: error E080: `here` is no IP address
  1 | services: {web: {image: nginx, ports: [{target: 80, host_ip: here}]}}
    |                                                              ^^^^
   at services.web.ports[0]
"""
    )


def test_a_port_that_is_true(said):
    files = """\
services: {web: {image: nginx, ports: [1.5]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:40: error E080: `1.5` is no port
  1 | services: {web: {image: nginx, ports: [1.5]}}
    |                                        ^^^
   at services.web.ports
"""
    )


def test_a_mount_without_a_target(said):
    files = """\
services: {web: {image: nginx, volumes: [{type: volume, source: a}]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:42: error E034: a mount needs a `target`
  1 | services: {web: {image: nginx, volumes: [{type: volume, source: a}]}}
    |                                          ^
   at services.web.volumes[0]
"""
    )


def test_a_volume_that_is_empty(said):
    files = """\
services: {web: {image: nginx, volumes: [""]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:42: error E081: `""` is no volume: it is empty
  1 | services: {web: {image: nginx, volumes: [""]}}
    |                                          ^^
   at services.web.volumes[0]
hint: the short form is [SOURCE:]TARGET[:OPTIONS], as in ./data:/var/lib/data:ro
"""
    )


def test_a_volume_with_nothing_before_the_colon(said):
    files = """\
services: {web: {image: nginx, volumes: [":/data"]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:42: error E081: `:/data` is no volume: there is nothing between two colons
  1 | services: {web: {image: nginx, volumes: [":/data"]}}
    |                                          ^^^^^^^^
   at services.web.volumes[0]
hint: the short form is [SOURCE:]TARGET[:OPTIONS], as in ./data:/var/lib/data:ro
"""
    )


def test_a_bind_without_a_source(said):
    files = """\
services: {web: {image: nginx, volumes: [{type: bind, target: /data}]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:42: error E081: a bind mount needs a `source`
  1 | services: {web: {image: nginx, volumes: [{type: bind, target: /data}]}}
    |                                          ^
   at services.web.volumes[0]
hint: add `source: ./folder`
"""
    )


def test_a_build_context_without_a_name(said):
    files = """\
services: {web: {build: {context: ., additional_contexts: [base]}}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:60: error E083: `base` is no NAME=CONTEXT
  1 | services: {web: {build: {context: ., additional_contexts: [base]}}}
    |                                                            ^^^^
   at services.web.build.additional_contexts
hint: write NAME=VALUE
"""
    )


def test_a_duration_with_an_unknown_unit(said):
    files = """\
services: {web: {image: nginx, stop_grace_period: 10x}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:51: error E089: `10x` is no duration: unknown unit `x`
  1 | services: {web: {image: nginx, stop_grace_period: 10x}}
    |                                                   ^^^
   at services.web.stop_grace_period
hint: a duration is 500ms, 10s, 1m30s or 2h
"""
    )


def test_a_mode_that_is_not_octal(said):
    files = """\
services: {web: {image: nginx, configs: [{source: c, mode: "9"}]}}
configs: {c: {content: x}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:60: error E085: `9` is no mode: octal digits are needed
  1 | services: {web: {image: nginx, configs: [{source: c, mode: "9"}]}}
    |                                                            ^^^
   at services.web.configs[0].mode
hint: write a number
"""
    )


def test_a_parenthesis_in_a_command(said):
    files = """\
services: {web: {image: nginx, command: "echo (a)"}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:41: error E088: `echo (a)` is no command line: a parenthesis needs quotes
  1 | services: {web: {image: nginx, command: "echo (a)"}}
    |                                         ^^^^^^^^^^
   at services.web.command
hint: close the quote; a sign that means itself stands in quotes
"""
    )


def test_a_host_without_a_name(said):
    files = """\
services: {web: {image: nginx, extra_hosts: ["=1.2.3.4"]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:46: error E087: `""` is no host name
  1 | services: {web: {image: nginx, extra_hosts: ["=1.2.3.4"]}}
    |                                              ^^^^^^^^^^
   at services.web.extra_hosts
hint: write NAME=ADDRESS, as in db=10.0.0.5
"""
    )


def test_a_watch_rule_without_a_target(said):
    files = """\
services: {web: {image: nginx, develop: {watch: [{path: ., action: sync}]}}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:50: error E034: a watch rule to sync needs a `target`
  1 | services: {web: {image: nginx, develop: {watch: [{path: ., action: sync}]}}}
    |                                                  ^
   at services.web.develop.watch[0]
"""
    )


def test_a_watch_rule_with_an_empty_path(said):
    files = """\
services: {web: {image: nginx, develop: {watch: [{path: "", action: rebuild}]}}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:57: error E084: the `path` of a watch rule is empty
  1 | services: {web: {image: nginx, develop: {watch: [{path: "", action: rebuild}]}}}
    |                                                         ^^
   at services.web.develop.watch[0]
"""
    )


def test_count_and_ids_of_a_device_request(said):
    files = """\
services: {web: {image: nginx, gpus: [{count: 1, device_ids: ["0"]}]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:47: error E093: `count` and `device_ids` exclude each other
  1 | services: {web: {image: nginx, gpus: [{count: 1, device_ids: ["0"]}]}}
    |                                               ^
   at services.web.gpus[0]
hint: keep one of the two
"""
    )


# --- settings that contradict each other


def test_a_dockerfile_and_an_inline_one(said):
    files = """\
services: {web: {build: {context: ., dockerfile: a, dockerfile_inline: FROM b}}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:53: error E093: `dockerfile` and `dockerfile_inline` exclude each other
  1 | services: {web: {build: {context: ., dockerfile: a, dockerfile_inline: FROM b}}}
    |                                                     ^^^^^^^^^^^^^^^^^
   at services.web.build.dockerfile_inline
hint: keep one of the two
"""
    )


def test_a_platform_that_is_not_built(said):
    files = """\
services: {web: {platform: linux/arm64, build: {context: ., platforms: [linux/amd64]}}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:61: error E093: `build.platforms` does not include the platform `linux/arm64`
  1 | services: {web: {platform: linux/arm64, build: {context: ., platforms: [linux/amd64]}}}
    |                                                             ^^^^^^^^^
   at services.web.build.platforms
hint: add linux/arm64 to the list
"""
    )


def test_a_negative_scale(said):
    files = """\
services: {web: {image: nginx, scale: -1}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:39: error E033: there cannot be less than 0 containers
  1 | services: {web: {image: nginx, scale: -1}}
    |                                       ^^
   at services.web.scale
"""
    )


def test_a_fixed_name_and_replicas(said):
    files = """\
services: {web: {image: nginx, container_name: web, scale: 2}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:48: error E099: a container with a fixed name cannot run more than once
  1 | services: {web: {image: nginx, container_name: web, scale: 2}}
    |                                                ^^^
   at services.web.container_name
   the other stands at compose.yaml:1:53
hint: keep one of the two, or make them equal
"""
    )


def test_a_limit_that_is_given_twice(said):
    files = """\
services: {web: {image: nginx, mem_limit: 1g, deploy: {resources: {limits: {memory: 2g}}}}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:43: error E099: `mem_limit` and `deploy.resources.limits.memory` differ
  1 | services: {web: {image: nginx, mem_limit: 1g, deploy: {resources: {limits: {memory: 2g}}}}}
    |                                           ^^
   at services.web.mem_limit
   the other stands at compose.yaml:1:77
hint: keep one of the two, or make them equal
"""
    )


def test_two_services_with_one_container_name(said):
    files = """\
services:
  a: {image: nginx, container_name: box}
  b: {image: nginx, container_name: box}
"""
    assert (
        said(files)
        == """\
compose.yaml:3:37: error E098: the container name `box` is used twice
  3 |   b: {image: nginx, container_name: box}
    |                                     ^^^
   at services.b.container_name
   and by the service there, compose.yaml:2:37
hint: names of containers are unique: change one, or leave it out
"""
    )


def test_a_secret_that_has_only_a_driver(said):
    files = """\
services: {web: {image: nginx, secrets: [key]}}
secrets: {key: {driver: vault}}
"""
    assert (
        said(files)
        == """\
compose.yaml:2:11: error E096: the secret `key` has no source
  2 | secrets: {key: {driver: vault}}
    |           ^^^
   at secrets.key
hint: add `file` or `environment`
"""
    )


def test_a_mapping_that_another_file_makes_a_list(said):
    files = """\
services:
  web: {image: nginx, deploy: {replicas: 1}}
--- compose.override.yaml
services:
  web: {deploy: [1]}
"""
    assert (
        said(files)
        == """\
compose.override.yaml:2:17: error E090: a mapping cannot be overridden by something else
  2 |   web: {deploy: [1]}
    |                 ^
   at services.web.deploy
   first given at compose.yaml:2:23
hint: write `!override` before the new value to replace the old one
"""
    )


# --- warnings


def test_several_override_files(said):
    files = """\
services: {web: {image: nginx}}
--- compose.override.yml
{}
--- compose.override.yaml
{}
"""
    assert (
        said(files)
        == """\
warning W003: Found multiple override files with supported names: /home/me/shop/compose.override.yml, /home/me/shop/compose.override.yaml
warning W003: Using /home/me/shop/compose.override.yml
"""
    )


def test_a_boolean_in_old_words(said):
    files = """\
services: {web: {image: nginx, privileged: "on"}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:44: warning W002: "on" for boolean is not supported by YAML 1.2, please use `true` or `false`
  1 | services: {web: {image: nginx, privileged: "on"}}
    |                                            ^^^^
"""
    )


def test_version_in_two_files(said):
    files = """\
version: "3"
services: {web: {image: nginx}}
--- compose.override.yaml
version: "3"
"""
    assert (
        said(files)
        == """\
compose.yaml:1:1: warning W006: /home/me/shop/compose.yaml: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion
  1 | version: "3"
    | ^^^^^^^
compose.override.yaml:1:1: warning W006: /home/me/shop/compose.override.yaml: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion
  1 | version: "3"
    | ^^^^^^^
"""
    )


def test_an_operator_in_an_entrypoint(said):
    files = """\
services: {web: {image: nginx, entrypoint: "sh -c 'a' > log"}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:44: warning W005: the command ends before `>`: no shell runs it
  1 | services: {web: {image: nginx, entrypoint: "sh -c 'a' > log"}}
    |                                            ^^^^^^^^^^^^^^^^^
hint: write ["sh", "-c", "..."] for a line of shell
"""
    )


# --- further ways to be wrong


def test_nothing_on_standard_input(said):
    files = """\

"""
    assert (
        said(files, "-f", "-", "config")
        == """\
-:1:1: error E005: empty compose file: -
  1 |
    | ^
hint: a Compose file begins with `services:`
"""
    )


def test_an_env_file_of_the_command_line_that_is_absent(said):
    files = """\
services: {web: {image: nginx}}
"""
    assert (
        said(files, "--env-file", "absent.env", "config")
        == """\
error E003: couldn't find env file: /home/me/shop/absent.env
hint: mind the spelling of --env-file
"""
    )


def test_a_character_that_no_variable_s_name_has(said):
    files = """\
services: {web: {image: nginx, env_file: web.env}}
--- web.env
A!=1
"""
    assert (
        said(files)
        == """\
web.env:1:2: error E070: the character `!` cannot stand in a variable's name
  1 | A!=…
    |  ^^^
   read because of compose.yaml:1:42
hint: a line is NAME=value, or a comment that begins with #
"""
    )


def test_a_raw_env_file_with_a_blank_in_a_name(said):
    files = """\
services: {web: {image: nginx, env_file: [{path: web.env, format: raw}]}}
--- web.env
MY NAME=1
"""
    assert (
        said(files)
        == """\
web.env:1:1: error E070: the name `MY NAME` holds a blank
  1 | MY NAME=…
    | ^^^^^^^^^
   read because of compose.yaml:1:50
hint: a line is NAME=value, or a comment that begins with #
"""
    )


def test_a_raw_env_file_without_a_name(said):
    files = """\
services: {web: {image: nginx, env_file: [{path: web.env, format: raw}]}}
--- web.env
=1
"""
    assert (
        said(files)
        == """\
web.env:1:1: error E070: a name is missing before `=`
  1 | =…
    | ^^
   read because of compose.yaml:1:50
hint: a line is NAME=value, or a comment that begins with #
"""
    )


def test_a_variable_that_an_env_file_needs(said):
    files = """\
services: {web: {image: nginx}}
--- .env
URL=http://${HOST:?which}/
"""
    assert (
        said(files)
        == """\
.env:1:5: error E022: the variable `HOST` is required: which
  1 | URL=…
    |     ^
hint: set it in the shell, or in a line above
"""
    )


def test_a_variable_that_an_env_file_writes_wrongly(said):
    files = """\
services: {web: {image: nginx}}
--- .env
URL=http://${HOST
"""
    assert (
        said(files)
        == """\
.env:1:5: error E020: `${HOST` is no variable
  1 | URL=…
    |     ^
hint: write $$ where a dollar sign is meant
"""
    )


def test_extends_with_a_file_that_is_no_text(said):
    files = """\
services: {web: {extends: {service: a, file: 1}}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:46: error E031: `file` must be text
  1 | services: {web: {extends: {service: a, file: 1}}}
    |                                              ^
   at services.web.extends.file
"""
    )


def test_an_item_of_include_that_is_a_number(said):
    files = """\
include: [1]
services: {web: {image: nginx}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:11: error E031: an item of `include` is a path, or a mapping with `path`
  1 | include: [1]
    |           ^
   at include[0]
"""
    )


def test_tags_that_the_value_cannot_have(said):
    files = """\
services:
  web:
    image: nginx
    labels: {a: !!bool perhaps, b: x}
"""
    assert (
        said(files)
        == """\
compose.yaml:4:17: error E011: `perhaps` is no boolean
  4 |     labels: {a: !!bool perhaps, b: x}
    |                 ^^^^^^^^^^^^^^
hint: take the tag away, or quote the value
"""
    )


def test_a_tag_of_a_number(said):
    files = """\
services:
  web:
    image: nginx
    labels: {a: !!float many}
"""
    assert (
        said(files)
        == """\
compose.yaml:4:17: error E011: `many` is no number
  4 |     labels: {a: !!float many}
    |                 ^^^^^^^^^^^^
hint: take the tag away, or quote the value
"""
    )


def test_a_tag_of_binary(said):
    files = """\
services:
  web:
    image: nginx
    labels: {a: !!binary "a"}
"""
    assert (
        said(files)
        == """\
compose.yaml:4:17: error E011: this is no base64
  4 |     labels: {a: !!binary "a"}
    |                 ^^^^^^^^^^^^
hint: take the tag away, or quote the value
"""
    )


def test_a_volume_that_is_a_number(said):
    files = """\
services: {web: {image: nginx, volumes: [1]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:42: error E031: the item in services.web.volumes must be a mapping or text, not a number
  1 | services: {web: {image: nginx, volumes: [1]}}
    |                                          ^
   at services.web.volumes[0]
hint: quote it: "1"
"""
    )


def test_a_device_without_a_target(said):
    files = """\
services: {web: {image: nginx, devices: [{source: /dev/null}]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:42: error E034: a device needs a `target`
  1 | services: {web: {image: nginx, devices: [{source: /dev/null}]}}
    |                                          ^
   at services.web.devices[0]
"""
    )


def test_a_size_with_half_a_unit(said):
    files = """\
services: {web: {image: nginx, mem_limit: 1i}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:43: error E089: `1i` is no size
  1 | services: {web: {image: nginx, mem_limit: 1i}}
    |                                           ^^
   at services.web.mem_limit
hint: a size is a number with b, k, m or g, as in 64m
"""
    )


def test_a_size_beyond_all_memory(said):
    files = """\
services: {web: {image: nginx, mem_limit: 99999999999999999999p}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:43: error E089: `99999999999999999999p` is too large
  1 | services: {web: {image: nginx, mem_limit: 99999999999999999999p}}
    |                                           ^^^^^^^^^^^^^^^^^^^^^
   at services.web.mem_limit
hint: a size is a number with b, k, m or g, as in 64m
"""
    )


def test_a_duration_without_a_unit(said):
    files = """\
services: {web: {image: nginx, stop_grace_period: "10"}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:51: error E089: `10` is no duration
  1 | services: {web: {image: nginx, stop_grace_period: "10"}}
    |                                                   ^^^^
   at services.web.stop_grace_period
hint: a duration is 500ms, 10s, 1m30s or 2h
"""
    )


def test_a_duration_without_digits(said):
    files = """\
services: {web: {image: nginx, stop_grace_period: ".s"}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:51: error E089: `.s` is no duration
  1 | services: {web: {image: nginx, stop_grace_period: ".s"}}
    |                                                   ^^^^
   at services.web.stop_grace_period
hint: a duration is 500ms, 10s, 1m30s or 2h
"""
    )


def test_a_duration_of_too_many_years(said):
    files = """\
services: {web: {image: nginx, stop_grace_period: 99999999999999999999w}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:51: error E089: `99999999999999999999w` is too long
  1 | services: {web: {image: nginx, stop_grace_period: 99999999999999999999w}}
    |                                                   ^^^^^^^^^^^^^^^^^^^^^
   at services.web.stop_grace_period
hint: a duration is 500ms, 10s, 1m30s or 2h
"""
    )


def test_a_duration_beyond_what_can_be_counted(said):
    files = """\
services: {web: {image: nginx, stop_grace_period: 999999999w}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:51: error E089: `999999999w` is too long
  1 | services: {web: {image: nginx, stop_grace_period: 999999999w}}
    |                                                   ^^^^^^^^^^
   at services.web.stop_grace_period
hint: a duration is 500ms, 10s, 1m30s or 2h
"""
    )


def test_an_integer_beyond_64_bits(said):
    files = """\
services: {web: {image: nginx, pids_limit: "9223372036854775808"}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:44: error E021: `9223372036854775808` is no integer
  1 | services: {web: {image: nginx, pids_limit: "9223372036854775808"}}
    |                                            ^^^^^^^^^^^^^^^^^^^^^
   at services.web.pids_limit
hint: write a number, as in 4
"""
    )


def test_a_number_with_underscores_in_quotes(said):
    files = """\
services: {web: {image: nginx, cpus: "1_0"}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:38: error E021: `1_0` is no number
  1 | services: {web: {image: nginx, cpus: "1_0"}}
    |                                      ^^^^^
   at services.web.cpus
hint: write a number, as in 0.5
"""
    )


def test_a_number_of_cpus_under_deploy(said):
    files = """\
services: {web: {image: nginx, deploy: {resources: {limits: {cpus: many}}}}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:68: error E085: `many` is no number
  1 | services: {web: {image: nginx, deploy: {resources: {limits: {cpus: many}}}}}
    |                                                                    ^^^^
   at services.web.deploy.resources.limits.cpus
hint: write a number
"""
    )


def test_a_mode_with_a_fraction(said):
    files = """\
services: {web: {image: nginx, configs: [{source: c, mode: 1.5}]}}
configs: {c: {content: x}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:60: error E085: `1.5` is no mode
  1 | services: {web: {image: nginx, configs: [{source: c, mode: 1.5}]}}
    |                                                            ^^^
   at services.web.configs[0].mode
hint: write a number
"""
    )


def test_a_negative_number_of_retries(said):
    files = """\
services: {web: {image: nginx, healthcheck: {test: a, retries: -1}}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:64: error E085: `-1` is negative
  1 | services: {web: {image: nginx, healthcheck: {test: a, retries: -1}}}
    |                                                                ^^
   at services.web.healthcheck.retries
hint: write a number
"""
    )


def test_text_for_a_number_that_is_no_variable(said):
    files = """\
services: {web: {image: nginx, volumes: [{type: tmpfs, target: /a, tmpfs: {mode: "700"}}]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:82: error E085: a number is needed here, not the text "700"
  1 | services: {web: {image: nginx, volumes: [{type: tmpfs, target: /a, tmpfs: {mode: "700"}}]}}
    |                                                                                  ^^^^^
   at services.web.volumes[0].tmpfs.mode
hint: write a number
"""
    )


def test_too_many_ports(said):
    files = """\
services: {web: {image: nginx, ports: ["1-65535", "1-65535/udp"]}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:51: error E015: these ranges make more than 70000 entries
  1 | services: {web: {image: nginx, ports: ["1-65535", "1-65535/udp"]}}
    |                                                   ^^^^^^^^^^^^^
   at services.web.ports
hint: a service that needs all ports can use `network_mode: host`
"""
    )


def test_a_name_that_is_a_mapping_in_an_override(said):
    files = """\
services: {web: {image: nginx, networks: [a]}}
networks: {a: }
--- compose.override.yaml
services: {web: {networks: [{b: 1}]}}
"""
    assert (
        said(files)
        == """\
compose.override.yaml:1:29: error E100: a name must be text, not a mapping
  1 | services: {web: {networks: [{b: 1}]}}
    |                             ^
   at services.web.networks
hint: write the name as text
"""
    )


def test_an_infinite_size(said):
    files = """\
services: {web: {image: nginx, pids_limit: .inf}}
"""
    assert (
        said(files)
        == """\
compose.yaml:1:44: error E033: `+Inf` is no number that can be used
  1 | services: {web: {image: nginx, pids_limit: .inf}}
    |                                            ^^^^
   at services.web.pids_limit
"""
    )


def test_every_line_of_every_env_file_is_told_in_one_run(said):
    """Negative control: the line between them and the file without a fault add nothing."""
    files = """\
services:
  web: {image: nginx, env_file: [one.env, absent.env, two.env, good.env], label_file: more.env}
--- one.env
A B=1
GOOD=1
@=2
--- two.env
C=${1}
D="open
--- good.env
X=1
--- more.env
E F=1
"""
    text = said(files)
    assert [line for line in text.splitlines() if " error " in line] == [
        "one.env:1:1: error E070: the name `A B` holds a blank",
        "one.env:3:1: error E070: the character `@` cannot stand in a variable's name",
        "compose.yaml:2:43: error E002: cannot read the env file absent.env: no such file or directory",
        "two.env:1:3: error E020: `${1}` is no variable",
        "two.env:2:3: error E071: the quoted value is never closed",
        "more.env:1:1: error E070: the name `E F` holds a blank",
    ]


def test_circles_without_a_service_in_common_are_each_told(said):
    files = """\
services:
  a: {image: x, depends_on: [b]}
  b: {image: x, depends_on: [a]}
  c: {image: x, depends_on: [d]}
  d: {image: x, depends_on: [c, a]}
"""
    text = said(files)
    assert [line for line in text.splitlines() if " error " in line] == [
        "compose.yaml:2:30: error E060: services depend on each other in a circle: a -> b -> a",
        "compose.yaml:4:30: error E060: services depend on each other in a circle: c -> d -> c",
    ]
