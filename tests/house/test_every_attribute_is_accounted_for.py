"""No attribute is ignored without a word: each, with a value, changes what the runtime is asked for, changes the plan
of `up`, or is named with its line before `up` acts (STYLE.md 3.2).

The attributes come from the declared model, which agrees with schemas/compose-spec.json
(test_schema_and_model_agree.py). That every field of the runtime's requests has its effect in the OCI document is
tests/runtime/containers/spec/test_every_option_has_its_effect.py's.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compose.errors import ComposeError, Fault, InvalidFile
from compose.loading.pipeline import load
from compose.loading.request import LoadRequest
from compose.model.attribute import Attribute, table_of
from compose.model.project import ROOT, Project
from compose.options import UpOptions
from compose.planning import support
from compose.planning.converge import converge
from compose.planning.networks import network_options
from compose.planning.observed import Observed
from compose.planning.volumes import volume_options
from compose.scheduling.container_options import Making, container_options
from tests.fakes.engine import image

TOP = Path(__file__).resolve().parents[2]
BASE: dict[str, Any] = {
    "name": "shop",
    "services": {
        "web": {"image": "nginx"},
        "db": {"image": "postgres", "healthcheck": {"test": "true"}},
    },
    "networks": {"front": {}},
    "volumes": {"data": {}},
    "secrets": {"key": {"file": "./key.txt"}, "second": {"file": "./other.txt"}},
    "configs": {"site": {"content": "text"}, "second": {"content": "more"}},
    "models": {"llm": {"model": "ai/small"}},
}
FILES = {
    "key.txt": "k",
    "other.txt": "o",
    "web.env": "A=1\nB='2'\n",
    "other.env": "C=3\n",
    "web.labels": "a=1\n",
}
ENVIRONMENT = {"TOKEN": "t", "OTHER": "o"}

AROUND: dict[str, Any] = {
    "networks": {"front": {}},
    "ports": [{"target": 80, "published": "8080"}],
    "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
    "secrets": [{"source": "key"}],
    "configs": [{"source": "site"}],
    "healthcheck": {"test": ["CMD", "true"]},
    "depends_on": {"db": {"condition": "service_started"}},
    "deploy": {"replicas": 1},
    "build": {"context": "."},
    "logging": {"driver": "json-file"},
    "develop": {"watch": [{"path": ".", "action": "rebuild"}]},
    "post_start": [{"command": ["true"]}],
    "pre_stop": [{"command": ["true"]}],
    "pre_start": [{"command": ["true"]}],
    "provider": {"type": "none"},
    "models": {"llm": {}},
    "gpus": [{"capabilities": ["gpu"]}],
    "devices": [{"source": "/dev/null", "target": "/dev/null"}],
    "env_file": [{"path": "web.env"}],
    "credential_spec": {"file": "spec.json"},
    "ulimits": {"nofile": {"soft": 10, "hard": 20}},
}
"""What stands in the service already when a part of one of these attributes is given."""

WITH: dict[str, Any] = {
    "volumes[].bind": {"type": "bind", "source": "/srv", "target": "/data"},
    "volumes[].tmpfs": {"type": "tmpfs", "target": "/data"},
    "volumes[].image": {"type": "image", "source": "postgres", "target": "/data"},
    "develop.watch[].target": {"path": ".", "action": "sync", "target": "/a"},
    "develop.watch[].exec": {
        "path": ".",
        "action": "sync+exec",
        "target": "/a",
        "exec": {"command": "a"},
    },
    "blkio_config.weight_device[]": {"path": "/dev/sda", "weight": 100},
    **{
        f"blkio_config.device_{kind}[]": {"path": "/dev/sda", "rate": 1000}
        for kind in ("read_bps", "read_iops", "write_bps", "write_iops")
    },
    "deploy.resources.reservations.devices[]": {"capabilities": ["gpu"]},
    "deploy.placement.preferences[]": {"spread": "node.labels.zone"},
    "healthcheck.start_interval": {"test": ["CMD", "true"], "start_period": "10s"},
    "build.secrets[]": {"source": "key"},
    "build.ulimits": {"context": ".", "ulimits": {"nofile": {"soft": 10, "hard": 20}}},
    "extends.file": {"service": "db"},
}
"""What an item or mapping holds already: the longest beginning of the path counts."""

VALUES: dict[str, Any] = {
    # process
    "annotations": {"a": "b"},
    "attach": False,
    "command": ["a", "b"],
    "entrypoint": ["/init"],
    "environment": {"DEBUG": "1"},
    "env_file[].path": "other.env",
    "env_file[].format": "raw",
    "hostname": "a",
    "domainname": "example.org",
    "image": "apache",
    "init": True,
    "labels": {"a": "b"},
    "label_file": ["web.labels"],
    "container_name": "one",
    "platform": "linux/arm64",
    "user": "www",
    "group_add": ["audio"],
    "working_dir": "/srv",
    "tty": True,
    "stdin_open": True,
    "stop_signal": "SIGINT",
    "stop_grace_period": "3s",
    "restart": "always",
    "logging.driver": "local",
    "logging.options": {"max-size": "1m"},
    "read_only": True,
    "privileged": True,
    "cap_add": ["NET_ADMIN"],
    "cap_drop": ["CHOWN"],
    "security_opt": ["no-new-privileges"],
    "sysctls": {"net.core.somaxconn": "1024"},
    "userns_mode": "private",
    "use_api_socket": True,
    "credential_spec.config": "site",
    "credential_spec.file": "spec.json",
    "credential_spec.registry": "value",
    "isolation": "process",
    "runtime": "kata",
    "storage_opt": {"size": "1G"},
    "shm_size": "64m",
    # namespaces and networks
    "cgroup": "host",
    "cgroup_parent": "/a",
    "ipc": "host",
    "pid": "host",
    "uts": "host",
    "network_mode": "host",
    "networks": {"front": {}},
    "networks.*.aliases": ["a"],
    "networks.*.driver_opts": {"a": "b"},
    "networks.*.gw_priority": 1,
    "networks.*.interface_name": "lan0",
    "networks.*.ipv4_address": "172.30.0.9",
    "networks.*.ipv6_address": "fd00::9",
    "networks.*.link_local_ips": ["169.254.8.8"],
    "networks.*.mac_address": "02:42:ac:11:00:09",
    "networks.*.priority": 5,
    "dns": ["9.9.9.9"],
    "dns_opt": ["ndots:1"],
    "dns_search": ["example.org"],
    "expose": ["80"],
    "extra_hosts": {"a": "10.0.0.1"},
    "external_links": ["redis:cache"],
    "links": ["db:database"],
    "mac_address": "02:42:ac:11:00:09",
    "ports[].target": 81,
    "ports[].published": "8081",
    "ports[].host_ip": "127.0.0.1",
    "ports[].protocol": "udp",
    "ports[].mode": "host",
    "ports[].name": "http",
    "ports[].app_protocol": "http",
    # files
    "volumes[].type": "tmpfs",
    "volumes[].source": "",
    "volumes[].target": "/other",
    "volumes[].read_only": True,
    "volumes[].consistency": "cached",
    "volumes[].bind.propagation": "rshared",
    "volumes[].bind.create_host_path": True,
    "volumes[].bind.recursive": "disabled",
    "volumes[].bind.selinux": "z",
    "volumes[].volume.nocopy": True,
    "volumes[].volume.subpath": "a",
    "volumes[].volume.labels": {"a": "b"},
    "volumes[].tmpfs.size": 1000000,
    "volumes[].tmpfs.mode": 448,
    "volumes[].image.subpath": "a",
    "volumes_from": ["db"],
    "tmpfs": ["/run"],
    **{
        f"{kind}[].{name}": value
        for kind in ("secrets", "configs")
        for name, value in (("target", "/other"), ("uid", "5"), ("gid", "5"), ("mode", "0400"))
    },
    "secrets[].source": "second",
    "configs[].source": "second",
    "devices[].source": "/dev/zero",
    "devices[].target": "/dev/other",
    "devices[].permissions": "r",
    "device_cgroup_rules": ["c 1:3 r"],
    # resources
    "cpu_count": 1,
    "cpu_percent": 50,
    "cpu_period": 100000,
    "cpu_quota": 50000,
    "cpu_rt_period": 1000,
    "cpu_rt_runtime": 500,
    "cpu_shares": 512,
    "cpus": 0.5,
    "cpuset": "0",
    "mem_limit": "64m",
    "mem_reservation": "32m",
    "mem_swappiness": 10,
    "memswap_limit": "128m",
    "oom_kill_disable": True,
    "oom_score_adj": 100,
    "pids_limit": 10,
    "ulimits.*.soft": 5,
    "ulimits.*.hard": 15,
    "blkio_config.weight": 500,
    "blkio_config.weight_device[].path": "/dev/sdb",
    "blkio_config.weight_device[].weight": 300,
    **{
        f"blkio_config.device_{kind}[].{name}": value
        for kind in ("read_bps", "read_iops", "write_bps", "write_iops")
        for name, value in (("path", "/dev/sdb"), ("rate", 5000))
    },
    "gpus[].capabilities": ["gpu", "compute"],
    "gpus[].count": 1,
    "gpus[].device_ids": ["0"],
    "gpus[].driver": "nvidia",
    "gpus[].options": {"a": "b"},
    # life
    "depends_on.*.condition": "service_healthy",
    "depends_on.*.restart": True,
    "depends_on.*.required": False,
    "extends.service": "db",
    "extends.file": "./other.yaml",
    "healthcheck.test": ["CMD", "false"],
    "healthcheck.interval": "3s",
    "healthcheck.timeout": "3s",
    "healthcheck.retries": 7,
    "healthcheck.start_period": "3s",
    "healthcheck.start_interval": "2s",
    "healthcheck.disable": True,
    **{
        f"{hook}[].{name}": value
        for hook in ("post_start", "pre_stop", "pre_start")
        for name, value in (
            ("command", ["other"]),
            ("user", "root"),
            ("privileged", True),
            ("working_dir", "/srv"),
            ("environment", {"A": "1"}),
        )
    },
    "pre_start[].image": "apache",
    "pre_start[].per_replica": True,
    "profiles": ["debug"],
    "pull_policy": "never",
    "pull_refresh_after": "24h",
    "scale": 2,
    "provider.type": "other",
    "provider.options": {"a": "b"},
    "models.*.endpoint_var": "URL",
    "models.*.model_var": "MODEL",
    # deploy
    "deploy.mode": "global",
    "deploy.endpoint_mode": "dnsrr",
    "deploy.replicas": 2,
    "deploy.labels": {"a": "b"},
    **{
        f"deploy.{kind}_config.{name}": value
        for kind in ("update", "rollback")
        for name, value in (
            ("parallelism", 2),
            ("delay", "3s"),
            ("failure_action", "pause"),
            ("monitor", "3s"),
            ("max_failure_ratio", 0.5),
            ("order", "start-first"),
        )
    },
    "deploy.placement.constraints": ["node.role == manager"],
    "deploy.placement.preferences[].spread": "node.labels.rack",
    "deploy.placement.max_replicas_per_node": 2,
    "deploy.resources.limits.cpus": "0.5",
    "deploy.resources.limits.memory": "64m",
    "deploy.resources.limits.pids": 10,
    "deploy.resources.reservations.cpus": "0.5",
    "deploy.resources.reservations.memory": "32m",
    "deploy.resources.reservations.generic_resources[].discrete_resource_spec.kind": "ssd",
    "deploy.resources.reservations.generic_resources[].discrete_resource_spec.value": 2,
    "deploy.resources.reservations.devices[].capabilities": ["gpu"],
    "deploy.resources.reservations.devices[].count": 1,
    "deploy.resources.reservations.devices[].device_ids": ["0"],
    "deploy.resources.reservations.devices[].driver": "nvidia",
    "deploy.resources.reservations.devices[].options": {"a": "b"},
    "deploy.restart_policy.condition": "on-failure",
    "deploy.restart_policy.delay": "3s",
    "deploy.restart_policy.max_attempts": 3,
    "deploy.restart_policy.window": "3s",
}
"""Path below a service -> a value that should be noticed."""

TOP_VALUES: dict[str, Any] = {
    "networks.*.name": "other",
    "networks.*.driver": "overlay",
    "networks.*.driver_opts": {"com.docker.network.driver.mtu": "1400"},
    "networks.*.ipam.driver": "custom",
    "networks.*.ipam.options": {"a": "b"},
    "networks.*.ipam.config[].subnet": "172.30.0.0/16",
    "networks.*.ipam.config[].ip_range": "172.30.5.0/24",
    "networks.*.ipam.config[].gateway": "172.30.0.7",
    "networks.*.ipam.config[].aux_addresses": {"a": "172.30.0.8"},
    "networks.*.external": True,
    "networks.*.internal": True,
    "networks.*.attachable": True,
    "networks.*.enable_ipv4": False,
    "networks.*.enable_ipv6": True,
    "networks.*.labels": {"a": "b"},
    "volumes.*.name": "other",
    "volumes.*.driver": "nfs",
    "volumes.*.driver_opts": {"type": "tmpfs", "device": "tmpfs"},
    "volumes.*.external": True,
    "volumes.*.labels": {"a": "b"},
    "secrets.*.file": "./other.txt",
    "secrets.*.environment": "TOKEN",
    "secrets.*.external": True,
    "secrets.*.driver": "vault",
    "secrets.*.driver_opts": {"a": "b"},
    "secrets.*.template_driver": "golang",
    "secrets.*.labels": {"a": "b"},
    "secrets.*.name": "other",
    "configs.*.file": "./other.txt",
    "configs.*.environment": "OTHER",
    "configs.*.content": "other",
    "configs.*.external": True,
    "configs.*.template_driver": "golang",
    "configs.*.labels": {"a": "b"},
    "configs.*.name": "other",
    "models.*.name": "other",
    "models.*.model": "ai/other",
    "models.*.context_size": 1000,
    "models.*.runtime_flags": ["--a"],
    "name": "other",
}

ELSEWHERE: dict[str, str] = {
    "version": "ignored by every Compose, with the warning W006",
    "services.*.attach": "whose output an attached `up` shows: scheduling/attach.py",
    "services.*.env_file[].required": "whether a file may be absent: loading/env_files.py",
    "services.*.volumes[].consistency": "for shared folders of virtual machines; a mount is consistent",
    "services.*.volumes[].bind.selinux": "containers run without an SELinux label: no file needs one",
    **{
        f"models.*.{name}": "a service that uses a model is refused: support.NOT_HONOURED"
        for name in ("name", "model", "context_size", "runtime_flags")
    },
}
BUILD: dict[str, Any] = {
    "additional_contexts": {"a": "./a"},
    "args": {"A": "1"},
    "cache_from": ["a"],
    "cache_to": ["a"],
    "context": "./a",
    "dockerfile": "other",
    "dockerfile_inline": "FROM a",
    "entitlements": ["network.host"],
    "extra_hosts": {"a": "10.0.0.1"},
    "isolation": "process",
    "labels": {"a": "b"},
    "network": "host",
    "no_cache": True,
    "no_cache_filter": ["a"],
    "platforms": ["linux/arm64"],
    "privileged": True,
    "provenance": True,
    "pull": True,
    "sbom": True,
    "secrets[].gid": "5",
    "secrets[].mode": "0400",
    "secrets[].source": "key",
    "secrets[].target": "other",
    "secrets[].uid": "5",
    "shm_size": "64m",
    "ssh": ["default"],
    "tags": ["a:1"],
    "target": "a",
    "ulimits.*.hard": 15,
    "ulimits.*.soft": 5,
}
VALUES |= {f"build.{name}": value for name, value in BUILD.items()}
"""What acts at another time, or means nothing by its own definition; with the reason."""
WATCHED = "services.*.develop."
"""Followed by `watch` and `up --watch` alone."""


# --- the attributes


def leaves(shape: Attribute, path: str = "") -> Iterator[str]:
    """The attributes that have no parts, as paths."""
    if shape.of is None:
        yield path
        return
    inner = {"list": f"{path}[]", "map": f"{path}.*"}.get(shape.many, path)
    for name, attribute in table_of(shape.of).items():
        if attribute.written:
            yield from leaves(attribute, f"{inner}.{name}".lstrip("."))


EVERY = sorted(leaves(ROOT))


# --- a model with and without one attribute


def models(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Compose file without and with the attribute."""
    without = copy.deepcopy(BASE)
    if path.startswith("services.*."):
        inner = path.removeprefix("services.*.")
        web = without["services"]["web"]
        first = inner.replace("[]", "").split(".")[0]
        if first == "build":
            del web["image"]
        if first != inner and first in AROUND:
            web[first] = copy.deepcopy(AROUND[first])
        around = max((key for key in WITH if inner.startswith(key)), key=len, default="")
        if around:
            put(web, parent_of(around, inner), copy.deepcopy(WITH[around]))
        with_it = copy.deepcopy(without)
        put(with_it["services"]["web"], inner, VALUES[inner])
    else:
        web = without["services"]["web"]
        web |= {name: AROUND[name] for name in ("networks", "volumes", "secrets", "configs")}
        if path.startswith("models."):
            web["models"] = {"llm": {}}
        if path.startswith("networks.*.ipam.config[]"):
            without["networks"]["front"] = {"ipam": {"config": [{"subnet": "172.30.0.0/15"}]}}
        with_it = copy.deepcopy(without)
        put(with_it, path, TOP_VALUES[path])
        section = with_it[path.split(".")[0]]
        for name in ("file", "environment", "content"):
            given = path.split(".")[-1]
            if given in SOURCES and name != given:
                next(iter(section.values())).pop(name, None)
    return without, with_it


SOURCES = ("file", "environment", "content", "external")


def parent_of(around: str, inner: str) -> str:
    """`volumes[].bind` stands for the item, as it stands beside the attribute."""
    if around.endswith("[]"):
        return around
    return around.rpartition(".")[0] if "." in around else around


def put(node: Any, path: str, value: Any) -> None:
    """Set what a path leads to; lists have one item, mappings of names one name."""
    steps = path.replace("[]", ".[]").split(".")
    for index, step in enumerate(steps):
        is_last = index == len(steps) - 1
        following = None if is_last else steps[index + 1]
        empty: Any = [] if following == "[]" else {}
        if step == "[]":
            if not node:
                node.append(empty)
            if is_last:
                node[0] = value
            node = node[0]
            continue
        if step == "*":
            step = next(iter(node), "nofile")
        if is_last:
            node[step] = value
        elif node.get(step) is None:
            node[step] = empty
        node = node[step]


# --- what came of it


class Outcome:
    """All that `up` would ask for, and all that it would say before."""

    def __init__(self, project: Project, *, images: tuple[str, ...]) -> None:
        self.requests: list[Any] = []
        self.faults: list[Fault] = []
        self.plan = ""
        observed = Observed(
            images={name: image(name) for name in images},
        )
        try:
            self.faults += support.check(project, tuple(project.services), observed)
            self.plan = str(converge(project, observed, UpOptions(detach=True)))
        except InvalidFile as invalid:
            self.faults += invalid.faults
            return
        except ComposeError as error:
            self.faults += error.faults
            return
        self.requests += [network_options(project, key) for key in project.networks]
        self.requests += [volume_options(project, key) for key in project.volumes]
        for service in project.services.values():
            options = container_options(project, service, Making(name=f"{service.name}-1"))
            self.requests.append(options)
            self.requests += [service.pre_start, service.post_start, service.pre_stop]

    @property
    def request(self) -> list[str]:
        return [plain(one) for one in self.requests]


def plain(request: Any) -> str:
    """Without what only says that something differs."""
    if not dataclasses.is_dataclass(request) and not hasattr(request, "config_hash"):
        return repr(request)
    without = (
        {"config_hash": "", "fingerprint": {}}
        if hasattr(request, "fingerprint")
        else {"config_hash": ""}
    )
    labels = {k: v for k, v in request.labels.items() if not k.endswith("config-hash")}
    return repr(dataclasses.replace(request, labels=labels, **without))


def load_model(folder: Path, model: dict[str, Any]) -> Project:
    (folder / "compose.yaml").write_text(json.dumps(model))
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "other.yaml").write_text(json.dumps({"services": {"db": {"image": "apache"}}}))
    request = LoadRequest(cwd=str(folder), environment={**ENVIRONMENT, "HOME": "/root"})
    return load(request).project


def outcome(path: str, folder: Path) -> str:
    """`request`, `plan`, `named`, or "" when nothing shows the attribute."""
    without, with_it = models(path)
    images = () if path.endswith("pull_policy") else ("nginx", "postgres", "apache")
    before = Outcome(load_model(folder, without), images=images)
    try:
        after = Outcome(load_model(folder, with_it), images=images)
    except ComposeError as refused:
        return f"refused: {refused}"
    told = {fault.message for fault in before.faults}
    if any(fault.message not in told or is_about(fault, path) for fault in after.faults):
        return "named"
    if before.request != after.request:
        return "request"
    return "plan" if before.plan != after.plan else ""


def is_about(fault: Fault, path: str) -> bool:
    if fault.code == "E211":  # the image has to be built, and with it all that stands under `build`
        return path.startswith("services.*.build.")
    named = ".".join("*" if index == 1 else str(part) for index, part in enumerate(fault.path))
    return bool(named) and path.replace("[]", ".0").startswith(named)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = os.environ.get("PYCOMPOSE_ROOT")
    yield tmp_path_factory.mktemp("shop")
    assert os.environ.get("PYCOMPOSE_ROOT") == before


@pytest.mark.parametrize(
    "path", [path for path in EVERY if path not in ELSEWHERE and not path.startswith(WATCHED)]
)
def test_an_attribute_has_an_effect_or_is_named(path: str, folder: Path):
    found = outcome(path, folder)
    assert found in ("request", "plan", "named"), (
        f"`{path}` is in schemas/compose-spec.json but nowhere accounted for: {found}"
    )


def test_what_acts_elsewhere_is_an_attribute():
    assert sorted(ELSEWHERE.keys() - set(EVERY)) == []
