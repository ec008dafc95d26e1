"""What cannot be honoured is named with its line before `up` acts: an error where going on would weaken isolation or
change what the program sees, else a warning. Whole texts."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from compose.errors import InvalidFile
from compose.loading.pipeline import load
from compose.loading.request import LoadRequest
from compose.planning import support
from compose.planning.observed import Observed

HOME = "/home/me/shop"


@pytest.fixture
def said(tmp_path: Path, monkeypatch):
    """What support says of a file: its errors, or, without any, its warnings."""

    def say(
        text: str, *, missing: tuple[str, ...] = (), scale: Mapping[str, int] | None = None
    ) -> str:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "compose.yaml").write_text(text)
        request = LoadRequest(cwd=str(tmp_path), project_name="shop", environment={"HOME": "/root"})
        project = load(request).project
        gone = frozenset(path.replace(HOME, str(tmp_path)) for path in missing)
        try:
            observed = Observed(missing_paths=gone)
            faults = support.check(project, tuple(project.services), observed, scale)
        except InvalidFile as invalid:
            faults = invalid.faults
        return "".join(f"{fault}\n\n" for fault in faults).replace(str(tmp_path), HOME)

    return say


def test_a_provider_cannot_be_started(said):
    text = """\
services: {db: {provider: {type: cloud}}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:17: error E250: `provider`: services that another program provides are not started here
  1 | services: {db: {provider: {type: cloud}}}
    |                 ^^^^^^^^
   at services.db.provider
hint: start it before `up`, and leave the service out

"""
    )


def test_models_cannot_be_provided(said):
    text = """\
services: {web: {image: nginx, models: [llm]}}
models: {llm: {model: ai/small}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:32: error E250: `models`: models cannot be provided
  1 | services: {web: {image: nginx, models: [llm]}}
    |                                ^^^^^^
   at services.web.models
hint: run a model server as a service, and name its address in `environment`

"""
    )


def test_a_gpu_cannot_be_handed_over(said):
    text = """\
services: {web: {image: nginx, gpus: all}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:32: error E250: `gpus`: GPUs cannot be handed to containers
  1 | services: {web: {image: nginx, gpus: all}}
    |                                ^^^^
   at services.web.gpus
hint: name their device files under `devices`, as in /dev/dri

"""
    )


def test_reserved_devices_cannot_be_handed_over(said):
    text = """\
services: {web: {image: nginx, deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:68: error E250: `deploy.resources.reservations.devices`: devices cannot be reserved
  1 | services: {web: {image: nginx, deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}}}
    |                                                                    ^^^^^^^
   at services.web.deploy.resources.reservations.devices
hint: name their device files under `devices`, as in /dev/dri

"""
    )


def test_there_is_no_engine_socket(said):
    text = """\
services: {web: {image: nginx, use_api_socket: true}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:32: error E250: `use_api_socket`: there is no engine socket to hand to the container
  1 | services: {web: {image: nginx, use_api_socket: true}}
    |                                ^^^^^^^^^^^^^^
   at services.web.use_api_socket
hint: leave it out

"""
    )


def test_another_runtime_or_user_namespace_cannot_be_chosen(said):
    text = """\
services: {web: {image: nginx, runtime: kata, userns_mode: private}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:32: error E250: `runtime`: another runtime cannot be chosen
  1 | services: {web: {image: nginx, runtime: kata, userns_mode: private}}
    |                                ^^^^^^^
   at services.web.runtime
hint: leave it out

compose.yaml:1:47: error E250: `userns_mode`: only the host's user namespace can be used
  1 | services: {web: {image: nginx, runtime: kata, userns_mode: private}}
    |                                               ^^^^^^^^^^^
   at services.web.userns_mode
hint: leave it out, or write `host`

"""
    )


def test_every_error_is_told_in_one_run_and_no_warning_beside_them(said):
    text = """\
services:
  web: {image: nginx, gpus: all, cpu_count: 2}
  db: {image: postgres, use_api_socket: true}
"""
    assert (
        said(text)
        == """\
compose.yaml:2:23: error E250: `gpus`: GPUs cannot be handed to containers
  2 |   web: {image: nginx, gpus: all, cpu_count: 2}
    |                       ^^^^
   at services.web.gpus
hint: name their device files under `devices`, as in /dev/dri

compose.yaml:3:25: error E250: `use_api_socket`: there is no engine socket to hand to the container
  3 |   db: {image: postgres, use_api_socket: true}
    |                         ^^^^^^^^^^^^^^
   at services.db.use_api_socket
hint: leave it out

"""
    )


def test_what_is_for_windows_is_a_warning(said):
    text = """\
services: {web: {image: nginx, cpu_count: 2, cpu_percent: 50, isolation: hyperv, credential_spec: {file: a}}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:82: warning W250: `credential_spec`: is for Windows
  1 | services: {web: {image: nginx, cpu_count: 2, cpu_percent: 50, isolation: hyperv, credential_spec: {file: a}}}
    |                                                                                  ^^^^^^^^^^^^^^^
   at services.web.credential_spec

compose.yaml:1:63: warning W250: `isolation`: is for Windows
  1 | services: {web: {image: nginx, cpu_count: 2, cpu_percent: 50, isolation: hyperv, credential_spec: {file: a}}}
    |                                                               ^^^^^^^^^
   at services.web.isolation

compose.yaml:1:32: warning W250: `cpu_count`: is for Windows
  1 | services: {web: {image: nginx, cpu_count: 2, cpu_percent: 50, isolation: hyperv, credential_spec: {file: a}}}
    |                                ^^^^^^^^^
   at services.web.cpu_count
hint: use `cpus`

compose.yaml:1:46: warning W250: `cpu_percent`: is for Windows
  1 | services: {web: {image: nginx, cpu_count: 2, cpu_percent: 50, isolation: hyperv, credential_spec: {file: a}}}
    |                                              ^^^^^^^^^^^
   at services.web.cpu_percent
hint: use `cpus`

"""
    )


def test_what_is_for_clusters_is_a_warning(said):
    text = """\
services:
  web:
    image: nginx
    deploy:
      mode: global
      labels: {a: b}
      endpoint_mode: vip
      update_config: {parallelism: 1}
      placement: {constraints: [node.role == manager]}
      resources: {reservations: {cpus: "1"}}
"""
    assert (
        said(text)
        == """\
compose.yaml:5:7: warning W250: `deploy.mode`: is for clusters, and does nothing here
  5 |       mode: global
    |       ^^^^
   at services.web.deploy.mode

compose.yaml:6:7: warning W250: `deploy.labels`: is for clusters, and does nothing here
  6 |       labels: {a: b}
    |       ^^^^^^
   at services.web.deploy.labels
hint: use `labels`

compose.yaml:8:7: warning W250: `deploy.update_config`: is for clusters, and does nothing here
  8 |       update_config: {parallelism: 1}
    |       ^^^^^^^^^^^^^
   at services.web.deploy.update_config

compose.yaml:9:7: warning W250: `deploy.placement`: is for clusters, and does nothing here
  9 |       placement: {constraints: [node.role == manager]}
    |       ^^^^^^^^^
   at services.web.deploy.placement

compose.yaml:7:7: warning W250: `deploy.endpoint_mode`: is for clusters, and does nothing here
  7 |       endpoint_mode: vip
    |       ^^^^^^^^^^^^^
   at services.web.deploy.endpoint_mode

compose.yaml:10:34: warning W250: `deploy.resources.reservations.cpus`: is for clusters, and does nothing here
 10 |       resources: {reservations: {cpus: "1"}}
    |                                  ^^^^
   at services.web.deploy.resources.reservations.cpus

"""
    )


def test_words_of_a_port_that_nothing_reads(said):
    text = """\
services: {web: {image: nginx, ports: [{target: 80, mode: host, name: http, app_protocol: http}]}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:53: warning W250: `mode: host` of a port is for clusters, and does nothing here
  1 | services: {web: {image: nginx, ports: [{target: 80, mode: host, name: http, app_protocol: http}]}}
    |                                                     ^^^^
   at services.web.ports[0].mode

compose.yaml:1:65: warning W250: `name` of a port is read by no proxy here, and does nothing
  1 | services: {web: {image: nginx, ports: [{target: 80, mode: host, name: http, app_protocol: http}]}}
    |                                                                 ^^^^
   at services.web.ports[0].name

compose.yaml:1:77: warning W250: `app_protocol` of a port is read by no proxy here, and does nothing
  1 | services: {web: {image: nginx, ports: [{target: 80, mode: host, name: http, app_protocol: http}]}}
    |                                                                             ^^^^^^^^^^^^
   at services.web.ports[0].app_protocol

"""
    )


def test_words_of_secrets_and_configs_that_clusters_keep(said):
    text = """\
services: {web: {image: nginx, secrets: [key], configs: [site]}}
secrets: {key: {file: key.txt, labels: {a: b}}}
configs: {site: {content: x, name: other}}
"""
    assert (
        said(text)
        == """\
compose.yaml:2:32: warning W250: `labels` of a secret is for clusters, and does nothing here
  2 | secrets: {key: {file: key.txt, labels: {a: b}}}
    |                                ^^^^^^
   at secrets.key.labels

compose.yaml:3:30: warning W250: `name` of a config is for clusters, and does nothing here
  3 | configs: {site: {content: x, name: other}}
    |                              ^^^^
   at configs.site.name

"""
    )


def test_a_network_outside_of_projects_does_not_exist(said):
    text = """\
services: {web: {image: nginx, network_mode: legacy}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:32: error E250: `network_mode: legacy`: there is no such network outside of projects
  1 | services: {web: {image: nginx, network_mode: legacy}}
    |                                ^^^^^^^^^^^^
   at services.web.network_mode
hint: remove `network_mode`: the project's own network is the default

"""
    )


@pytest.mark.parametrize("mode", ["bridge", "default"])
def test_the_bridge_of_the_machine_publishes_ports(said, mode):
    assert (
        said(f"services: {{web: {{image: nginx, network_mode: {mode}, ports: ['80:80']}}}}") == ""
    )


def test_ports_cannot_be_published_on_another_s_network(said):
    text = """\
services:
  web: {image: nginx, network_mode: "service:db", ports: ["80:80"]}
  db: {image: postgres}
"""
    assert (
        said(text)
        == """\
compose.yaml:2:51: error E250: ports cannot be published with `network_mode: service:db`
  2 |   web: {image: nginx, network_mode: "service:db", ports: ["80:80"]}
    |                                                   ^^^^^
   at services.web.ports
hint: publish them at the service whose network this one shares

"""
    )


def test_ports_on_the_host_s_network_are_discarded(said):
    text = """\
services: {web: {image: nginx, network_mode: host, ports: ["80:80"]}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:52: warning W250: published ports are discarded when using host network mode
  1 | services: {web: {image: nginx, network_mode: host, ports: ["80:80"]}}
    |                                                    ^^^^^
   at services.web.ports

"""
    )


def test_sctp_cannot_be_published(said):
    text = """\
services: {web: {image: nginx, ports: ["80:80/sctp"]}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:40: error E250: ports of SCTP cannot be published
  1 | services: {web: {image: nginx, ports: ["80:80/sctp"]}}
    |                                        ^^^^^^^^^^^^
   at services.web.ports[0]
hint: TCP and UDP can

"""
    )


def test_replicas_cannot_share_a_port(said):
    text = """\
services: {web: {image: nginx, scale: 2, ports: ["80:80"]}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:50: error E250: 2 replicas cannot share host port 80
  1 | services: {web: {image: nginx, scale: 2, ports: ["80:80"]}}
    |                                                  ^^^^^^^
   at services.web.ports[0]
hint: publish a range, or any free port: `- 80`

"""
    )


def test_replicas_of_the_command_line_cannot_share_a_port_either(said):
    text = """\
services: {web: {image: nginx, ports: ["80:80"]}}
"""
    assert (
        said(text, scale={"web": 3})
        == """\
compose.yaml:1:40: error E250: 3 replicas cannot share host port 80
  1 | services: {web: {image: nginx, ports: ["80:80"]}}
    |                                        ^^^^^^^
   at services.web.ports[0]
hint: publish a range, or any free port: `- 80`

"""
    )


def test_mounts_of_clusters_and_windows(said):
    text = """\
services: {web: {image: nginx, volumes: [{type: npipe, source: a, target: /a}, {type: cluster, source: b, target: /b}]}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:42: error E250: mounts of type npipe cannot be made
  1 | services: {web: {image: nginx, volumes: [{type: npipe, source: a, target: /a}, {type: cluster, source: b, target: /b}]}}
    |                                          ^
   at services.web.volumes[0]
hint: use bind or volume

compose.yaml:1:80: error E250: mounts of type cluster cannot be made
  1 | services: {web: {image: nginx, volumes: [{type: npipe, source: a, target: /a}, {type: cluster, source: b, target: /b}]}}
    |                                                                                ^
   at services.web.volumes[1]
hint: use bind or volume

"""
    )


def test_an_external_secret(said):
    text = """\
services: {web: {image: nginx, secrets: [key]}}
secrets: {key: {external: true}}
"""
    assert (
        said(text)
        == """\
compose.yaml:2:11: error E250: unsupported external secret key
  2 | secrets: {key: {external: true}}
    |           ^^^
   at secrets.key
hint: a secret comes from `file` or `environment`

"""
    )


def test_an_owner_that_is_no_number(said):
    text = """\
services: {web: {image: nginx, secrets: [{source: key, uid: www}]}}
secrets: {key: {file: key.txt}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:42: error E250: `uid` of a secret must be a number
  1 | services: {web: {image: nginx, secrets: [{source: key, uid: www}]}}
    |                                          ^
   at services.web.secrets[0]

"""
    )


def test_a_start_interval_without_a_start_period(said):
    text = """\
services: {web: {image: nginx, healthcheck: {test: "true", start_interval: 1s}}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:60: error E250: healthcheck.start_interval requires healthcheck.start_period to be set
  1 | services: {web: {image: nginx, healthcheck: {test: "true", start_interval: 1s}}}
    |                                                            ^^^^^^^^^^^^^^
   at services.web.healthcheck.start_interval
hint: add `start_period`

"""
    )


def test_a_log_driver_that_is_not_there(said):
    text = """\
services: {web: {image: nginx, logging: {driver: syslog}}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:42: warning W250: there is no log driver `syslog`: output is kept here
  1 | services: {web: {image: nginx, logging: {driver: syslog}}}
    |                                          ^^^^^^
   at services.web.logging.driver
hint: one of native, json-file, local, none

"""
    )


def test_a_hook_for_each_replica(said):
    text = """\
services: {web: {image: nginx, pre_start: [{command: [a], per_replica: true}]}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:59: error E250: hooks run once per service: `per_replica` cannot be true
  1 | services: {web: {image: nginx, pre_start: [{command: [a], per_replica: true}]}}
    |                                                           ^^^^^^^^^^^
   at services.web.pre_start[0].per_replica

"""
    )


def test_a_gateway_mode_that_bridges_do_not_have_here(said):
    text = """\
services: {web: {image: nginx, networks: [a]}}
networks:
  a:
    driver_opts:
      com.docker.network.bridge.gateway_mode_ipv4: isolated
"""
    assert (
        said(text)
        == """\
compose.yaml:5:7: error E250: the gateway mode `isolated` is not possible here, only `nat`
  5 |       com.docker.network.bridge.gateway_mode_ipv4: isolated
    |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   at networks.a.driver_opts.com.docker.network.bridge.gateway_mode_ipv4
hint: `internal: true` keeps a network from the outside

"""
    )


def test_a_size_of_packets_that_is_no_number(said):
    text = """\
services: {web: {image: nginx, networks: [a]}}
networks: {a: {driver_opts: {com.docker.network.driver.mtu: 9k}}}
"""
    assert (
        said(text)
        == """\
compose.yaml:2:30: error E250: `9k` is no number of bytes
  2 | networks: {a: {driver_opts: {com.docker.network.driver.mtu: 9k}}}
    |                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   at networks.a.driver_opts.com.docker.network.driver.mtu

"""
    )


def test_an_option_of_a_bridge_that_nobody_acts_on(said):
    text = """\
services: {web: {image: nginx, networks: [a]}}
networks:
  a:
    driver_opts:
      com.docker.network.bridge.host_binding_ipv4: 127.0.0.1
      com.docker.network.bridge.gateway_mode_ipv6: nat
      speed: high
"""
    assert (
        said(text)
        == """\
compose.yaml:7:7: warning W250: `speed` is no option of a bridge here, and does nothing
  7 |       speed: high
    |       ^^^^^
   at networks.a.driver_opts.speed

"""
    )


def test_a_network_driver_and_a_driver_of_addresses(said):
    text = """\
services: {web: {image: nginx, networks: [a, b]}}
networks: {a: {driver: overlay}, b: {ipam: {driver: custom, options: {a: b}}}}
"""
    assert (
        said(text)
        == """\
compose.yaml:2:16: error E250: there is no network driver `overlay`, only `bridge`
  2 | networks: {a: {driver: overlay}, b: {ipam: {driver: custom, options: {a: b}}}}
    |                ^^^^^^
   at networks.a.driver

compose.yaml:2:45: error E250: there is no driver `custom` for addresses
  2 | networks: {a: {driver: overlay}, b: {ipam: {driver: custom, options: {a: b}}}}
    |                                             ^^^^^^
   at networks.b.ipam.driver

"""
    )


def test_an_external_network_that_is_a_mode(said):
    text = """\
services: {web: {image: nginx, networks: [a]}}
networks: {a: {external: true, name: host}}
"""
    assert (
        said(text)
        == """\
compose.yaml:2:12: error E250: `host` is a mode here, and no network
  2 | networks: {a: {external: true, name: host}}
    |            ^
   at networks.a
hint: write `network_mode: host` in the service

"""
    )


def test_a_network_with_the_name_of_a_mode(said):
    text = """\
services: {web: {image: nginx, networks: [a]}}
networks: {a: {name: bridge}}
"""
    assert (
        said(text)
        == """\
compose.yaml:2:12: error E250: `bridge` is a mode here, and no network
  2 | networks: {a: {name: bridge}}
    |            ^
   at networks.a
hint: write `network_mode: bridge` in the service

"""
    )


def test_an_image_that_is_to_be_built(said):
    text = "services: {web: {image: nginx, build: ., pull_policy: build}}\n"
    assert (
        said(text)
        == """\
compose.yaml:1:42: warning W250: `pull_policy: build`: nothing is built in this version, the image is used as it is
  1 | services: {web: {image: nginx, build: ., pull_policy: build}}
    |                                          ^^^^^^^^^^^
   at services.web.pull_policy

"""
    )


def test_a_secret_without_its_variable(said):
    text = """\
services: {web: {image: nginx, secrets: [token]}}
secrets: {token: {environment: TOKEN}}
"""
    assert (
        said(text)
        == """\
compose.yaml:2:19: error E250: environment variable `TOKEN` required by secret `token` is not set
  2 | secrets: {token: {environment: TOKEN}}
    |                   ^^^^^^^^^^^
   at secrets.token.environment
hint: set it in the shell or in `.env`: TOKEN=...

"""
    )
    assert said(text.replace("TOKEN", "HOME")) == ""


def test_a_volume_whose_folder_is_not_there(said):
    text = """\
services: {web: {image: nginx, volumes: ["data:/d"]}}
volumes: {data: {driver_opts: {type: none, o: bind, device: /mnt/data}}}
"""
    assert (
        said(text, missing=("/mnt/data",))
        == """\
compose.yaml:2:53: error E251: the folder of volume data does not exist: /mnt/data
  2 | volumes: {data: {driver_opts: {type: none, o: bind, device: /mnt/data}}}
    |                                                     ^^^^^^
   at volumes.data.driver_opts.device
hint: make it: what `device` names is not made

"""
    )


def test_a_volume_driver_of_a_volume_that_nobody_mounts(said):
    text = "services: {web: {image: nginx, volumes: [/a]}}\nvolumes: {a1: {driver: nfs}}\n"
    assert said(text) == ""


def test_a_volume_driver(said):
    text = """\
services: {web: {image: nginx, volumes: ["a1:/a"]}}
volumes: {a1: {driver: nfs}}
"""
    assert (
        said(text)
        == """\
compose.yaml:2:16: error E250: there is no volume driver `nfs`, only `local`
  2 | volumes: {a1: {driver: nfs}}
    |                ^^^^^^
   at volumes.a1.driver

"""
    )


def test_a_container_name_given_twice(said):
    text = """\
services: {a: {image: nginx, container_name: box}, b: {image: nginx, container_name: box}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:70: error E250: container name "box" is already in use by service a
  1 | services: {a: {image: nginx, container_name: box}, b: {image: nginx, container_name: box}}
    |                                                                      ^^^^^^^^^^^^^^
   at services.b.container_name

"""
    )


def test_sources_that_are_missing(said):
    text = """\
services:
  web:
    image: nginx
    volumes: [{type: bind, source: ./data, target: /data}]
    secrets: [key]
secrets: {key: {file: key.txt}}
"""
    assert (
        said(text, missing=("/home/me/shop/data", "/home/me/shop/key.txt"))
        == """\
compose.yaml:4:15: error E251: bind source path does not exist: /home/me/shop/data
  4 |     volumes: [{type: bind, source: ./data, target: /data}]
    |               ^
   at services.web.volumes[0]
hint: make it, or use the short form, which makes a folder

compose.yaml:6:17: error E251: secret file does not exist: /home/me/shop/key.txt
  6 | secrets: {key: {file: key.txt}}
    |                 ^^^^
   at secrets.key.file

"""
    )


def test_a_file_system_that_cannot_be_limited_and_a_refresh_that_does_nothing(said):
    text = """\
services: {web: {image: nginx, storage_opt: {size: 1G}, pull_refresh_after: 24h}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:32: warning W250: `storage_opt`: a container's file system cannot be limited
  1 | services: {web: {image: nginx, storage_opt: {size: 1G}, pull_refresh_after: 24h}}
    |                                ^^^^^^^^^^^
   at services.web.storage_opt

compose.yaml:1:57: warning W250: `pull_refresh_after`: is not acted on
  1 | services: {web: {image: nginx, storage_opt: {size: 1G}, pull_refresh_after: 24h}}
    |                                                         ^^^^^^^^^^^^^^^^^^
   at services.web.pull_refresh_after
hint: use `pull_policy: every_24h`

"""
    )


@pytest.mark.parametrize(
    ("restart", "said_of_it", "hint"),
    [
        ("sometimes", " is no policy", "one of no, always, on-failure, unless-stopped"),
        ("always:3", ": only `on-failure` takes a number", "as in `on-failure:3`"),
        ("on-failure:x", ": only `on-failure` takes a number", "as in `on-failure:3`"),
        ("on-failure:", ": only `on-failure` takes a number", "as in `on-failure:3`"),
    ],
)
def test_a_restart_policy_that_is_none(said, restart: str, said_of_it: str, hint: str):
    text = said(f"services: {{web: {{image: nginx, restart: '{restart}'}}}}\n")
    assert text.startswith(f"compose.yaml:1:32: error E250: `restart: {restart}`{said_of_it}\n")
    assert text.endswith(f"hint: {hint}\n\n")


@pytest.mark.parametrize(
    "attribute",
    [
        *(f"restart: '{policy}'" for policy in ("no", "always", "on-failure:5", "unless-stopped")),
        "deploy: {restart_policy: {condition: any}}",
        "deploy: {restart_policy: {}}",
    ],
)
def test_restart_policies_that_there_are(said, attribute: str):
    assert said(f"services: {{web: {{image: nginx, {attribute}}}}}\n") == ""


def test_a_condition_of_deploy_that_is_none(said):
    text = """\
services: {web: {image: nginx, deploy: {restart_policy: {condition: some}}}}
"""
    assert (
        said(text)
        == """\
compose.yaml:1:58: error E250: `condition: some` is no policy
  1 | services: {web: {image: nginx, deploy: {restart_policy: {condition: some}}}}
    |                                                          ^^^^^^^^^
   at services.web.deploy.restart_policy.condition
hint: one of any, none, on-failure

"""
    )


@pytest.mark.parametrize("word", ["CMD", "CMD-SHELL"])
def test_a_healthcheck_without_a_command(said, word: str):
    text = f"services: {{web: {{image: nginx, healthcheck: {{test: [{word}]}}}}}}\n"
    assert said(text).startswith(
        "compose.yaml:1:46: error E250: the healthcheck names no command\n"
    )
    assert said(text.replace("test:", "disable: true, test:")) == ""


@pytest.mark.parametrize(
    ("port", "said_of_it"),
    [
        ("target: 70000", "1:41: error E250: `target: 70000` is no port"),
        ("target: 1, published: '70000'", "1:52: error E250: `published: 70000` is no port"),
        ("target: 1, published: abc", "1:52: error E250: `published: abc` is no port"),
        ("target: 1, published: '10-5'", "1:52: error E250: `published: 10-5` is no port"),
        ("target: 1, published: '-5'", "1:52: error E250: `published: -5` is no port"),
        ("target: 1, published: '5-'", "1:52: error E250: `published: 5-` is no port"),
        ("target: 1, published: '1-65536'", "1:52: error E250: `published: 1-65536` is no port"),
    ],
)
def test_a_number_that_no_port_has(said, port: str, said_of_it: str):
    text = said(f"services: {{web: {{image: nginx, ports: [{{{port}}}]}}}}\n")
    assert text.startswith(f"compose.yaml:{said_of_it}\n")
    assert text.endswith("hint: ports go from 1 to 65535\n\n")


@pytest.mark.parametrize("published", ["", "0", "65535", "8000-8010"])
def test_numbers_that_ports_have(said, published: str):
    text = (
        f"services: {{web: {{image: nginx, ports: [{{target: 65535, published: '{published}'}}]}}}}"
    )
    assert said(text) == ""


def test_more_replicas_than_any_machine_holds(said):
    text = "services: {web: {image: nginx, scale: 99999999999}}\n"
    assert (
        said(text)
        == """\
compose.yaml:1:12: error E250: 99999999999 replicas are more than 10000
  1 | services: {web: {image: nginx, scale: 99999999999}}
    |            ^^^
   at services.web
hint: write a smaller number

"""
    )
    assert "10001 replicas" in said("services: {web: {image: nginx}}", scale={"web": 10001})
