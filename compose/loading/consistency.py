"""What must hold between the parts of a project, for its active services. Source: 13.4.

Reports every fault with the line that has to change, and the nearest name that exists.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from compose.errors import Path, nearest
from compose.loading.discover import NAMES
from compose.loading.report import Report, Trail
from compose.loading.select import volumes_of
from compose.model.dependencies import dependencies_of, find_circle
from compose.model.project import Project
from compose.model.service import Service
from compose.position import File
from compose.tree import Origin

_MOST_SHOWN = 20
"""Services of a circle that are named."""
_MOST_CIRCLES = 10
TESTS = ("CMD", "CMD-SHELL", "NONE")


def check_consistency(project: Project, report: Report) -> None:
    """Raises InvalidFile with every fault."""
    checks = _Checks(project, report)
    for name in sorted(project.services):
        checks.service(project.services[name])
    checks.resources()
    report.finish()
    checks.circles()
    report.finish()


def check_container_names(project: Project, report: Report) -> None:
    """A container's name is given once. `config` and `up` ask; loading does not."""
    first: dict[str, str] = {}
    for name in sorted(project.services):
        wanted = project.services[name].container_name
        if not wanted:
            continue
        if wanted in first:
            path = ("services", name, "container_name")
            other = project.origins.get(("services", first[wanted], "container_name"))
            trail = (("and by the service there,", other),) if other else ()
            report.refuse(
                "E098",
                f"the container name `{wanted}` is used twice",
                project.origins.nearest(path),
                path,
                trail=trail,
                hint="names of containers are unique: change one, or leave it out",
            )
        first.setdefault(wanted, name)
    report.finish()


class _Checks:
    def __init__(self, project: Project, report: Report) -> None:
        self.project = project
        self.report = report

    def refuse(
        self,
        code: str,
        message: str,
        path: Path,
        *,
        hint: str = "",
        at_key: bool = False,
        trail: Trail = (),
    ) -> None:
        """Note a fault at a path of the model."""
        origins = self.project.origins
        where: Origin | None = (origins.key_of(path) if at_key else None) or origins.nearest(path)
        self.report.refuse(code, message, where, path, hint=hint, trail=trail)

    def known(self, kind: str, name: str, names: Collection[str], path: Path, at_key: bool) -> None:
        """A name must be one of `names`."""
        if name in names:
            return
        near = nearest(name, names)
        hint = f"did you mean `{near}`?" if near else f"declare it under the top-level `{kind}s`"
        if kind == "volume" and "/" in name and not near:
            hint = f"a folder of the host begins with `./`: ./{name}"
        if kind == "service" and not near:
            known = ", ".join(sorted(names)[:10])
            stand = "stands" if len(names) == 1 else "stand"
            hint = "add it under `services`" + f", where {known} {stand}" * bool(known)
        if not near:
            hint += self._if_it_changes_another()
        self.refuse("E051", f"the {kind} `{name}` is not declared", path, hint=hint, at_key=at_key)

    def _if_it_changes_another(self) -> str:
        """A file for use beside another makes no sense alone."""
        if len(self.project.files) != 1 or _is_default(self.project.files[0]):
            return ""
        folder = os.path.dirname(self.project.files[0])
        names = [name for name in NAMES if os.path.isfile(os.path.join(folder, name))]
        base = File(os.path.join(folder, *names[:1])).shown if names else NAMES[0]
        return f"; if the file changes another: -f {base} -f {File(self.project.files[0]).shown}"

    # ---- services ----

    def service(self, service: Service) -> None:
        """All checks of one service."""
        path = ("services", service.name)
        for check in _SERVICE_CHECKS:
            check(self, service, path)

    def source(self, service: Service, path: Path) -> None:
        """Something must say what runs."""
        if not service.image and service.build is None and service.provider is None:
            message = f"the service `{service.name}` has neither an image nor a build"
            hint = "add `image`, `build` or `provider`"
            hint += self._if_it_changes_another()
            given = self.project.origins.get((*path, "image")) is not None
            path = (*path, "image") if given else path
            self.refuse("E035", message, path, hint=hint, at_key=not given)

    def build(self, service: Service, path: Path) -> None:
        build = service.build
        if build is None:
            return
        if build.dockerfile and build.dockerfile_inline:
            message = "`dockerfile` and `dockerfile_inline` exclude each other"
            self.refuse("E093", message, (*path, "build", "dockerfile_inline"), at_key=True)
        if build.platforms and service.platform and service.platform not in build.platforms:
            message = f"`build.platforms` does not include the platform `{service.platform}`"
            hint = f"add {service.platform} to the list"
            self.refuse("E093", message, (*path, "build", "platforms"), hint=hint, at_key=True)
        for name, context in build.additional_contexts.items():
            if context.startswith("service:"):
                at = (*path, "build", "additional_contexts", name)
                self._service_context(context.removeprefix("service:"), at)
        for index, secret in enumerate(build.secrets):
            at = (*path, "build", "secrets", index, "source")
            self.known("secret", secret.source, self.project.secrets, at, at_key=False)

    def _service_context(self, name: str, path: Path) -> None:
        service = self.project.all_services.get(name)
        if service is None:
            self.known("service", name, self.project.all_services, path, at_key=False)
        elif service.build is None:
            self.refuse("E052", f"the service `{name}` has no build to take from", path)

    def networks(self, service: Service, path: Path) -> None:
        if service.network_mode and service.networks:
            message = "`network_mode` and `networks` exclude each other"
            trail = self._beside((*path, "networks"))
            self.refuse("E093", message, (*path, "network_mode"), at_key=True, trail=trail)
        if service.network_mode.startswith("service:"):
            name = service.network_mode.removeprefix("service:")
            self.known(
                "service", name, self.project.services, (*path, "network_mode"), at_key=False
            )
        for name in service.networks:
            at = (*path, "networks", name)
            self.known("network", name, self.project.networks, at, at_key=True)

    def _beside(self, path: Path) -> Trail:
        other = self.project.origins.key_of(path)
        return (("the other stands at", other),) if other is not None else ()

    def healthcheck(self, service: Service, path: Path) -> None:
        test = service.healthcheck.test if service.healthcheck is not None else None
        if test and test[0] not in TESTS:
            message = f"a healthcheck begins with CMD, CMD-SHELL or NONE, not `{test[0]}`"
            words = ", ".join(f'"{word}"' for word in ("CMD", *test))
            hint = f"write [{words}], or the test as text to run it in a shell"
            self.refuse("E084", message, (*path, "healthcheck", "test"), hint=hint)

    def dependencies(self, service: Service, path: Path) -> None:
        for name, dependency in service.depends_on.items():
            at = (*path, "depends_on", name)
            if name in self.project.disabled_services and dependency.required:
                profiles = ", ".join(self.project.disabled_services[name].profiles)
                message = f"the service `{name}`, which `{service.name}` needs, is not active"
                hint = f"activate one of its profiles ({profiles}), or say `required: false`"
                self.refuse("E053", message, at, hint=hint, at_key=True)
            elif name not in self.project.disabled_services:
                self.known("service", name, self.project.services, at, at_key=True)

    def mounts(self, service: Service, path: Path) -> None:
        named = set(volumes_of(service))
        for index, mount in enumerate(service.volumes):
            at = (*path, "volumes", index)
            if mount.type == "volume" and mount.source in named:
                self.known(
                    "volume", mount.source, self.project.volumes, (*at, "source"), at_key=False
                )
            if mount.type == "bind" and not mount.source:
                self.refuse("E081", "a bind mount needs a `source`", at)
        self._targets(service, path)

    def _targets(self, service: Service, path: Path) -> None:
        targets: dict[str, Path] = {}
        places = [(m.target, (*path, "volumes", i)) for i, m in enumerate(service.volumes)]
        places += [(t.partition(":")[0], (*path, "tmpfs", i)) for i, t in enumerate(service.tmpfs)]
        for target, at in places:
            if target and target in targets:
                trail = self._first(targets[target])
                message = f"`{target}` is already mounted"
                self.refuse("E098", message, at, trail=trail)
            targets.setdefault(target, at)

    def _first(self, path: Path) -> Trail:
        other = self.project.origins.nearest(path)
        return (("first given at", other),) if other is not None else ()

    def files(self, service: Service, path: Path) -> None:
        for index, secret in enumerate(service.secrets):
            at = (*path, "secrets", index, "source")
            self.known("secret", secret.source, self.project.secrets, at, at_key=False)
        for index, config in enumerate(service.configs):
            at = (*path, "configs", index, "source")
            self.known("config", config.source, self.project.configs, at, at_key=False)
        for name in service.models:
            at = (*path, "models", name)
            self.known("model", name, self.project.models, at, at_key=True)

    def scale(self, service: Service, path: Path) -> None:
        replicas = service.deploy.replicas if service.deploy is not None else None
        for value, at in ((service.scale, ("scale",)), (replicas, ("deploy", "replicas"))):
            if value is not None and value < 0:
                self.refuse("E033", "there cannot be less than 0 containers", (*path, *at))
        if service.scale is not None and replicas is not None and service.scale != replicas:
            trail = self._beside((*path, "deploy", "replicas"))
            message = f"`scale` is {service.scale}, but `deploy.replicas` is {replicas}"
            self.refuse("E099", message, (*path, "scale"), trail=trail)
        elif service.container_name and service.replicas > 1:
            message = "a container with a fixed name cannot run more than once"
            trail = self._beside((*path, "scale")) or self._beside((*path, "deploy", "replicas"))
            self.refuse("E099", message, (*path, "container_name"), trail=trail)

    def limits(self, service: Service, path: Path) -> None:
        """The short and the long way to say a limit must agree."""
        resources = service.deploy.resources if service.deploy is not None else None
        limits = resources.limits if resources is not None else None
        reservations = resources.reservations if resources is not None else None
        pairs: list[tuple[str, object, str, object]] = []
        if limits is not None:
            pairs.append(("cpus", service.cpus, "limits.cpus", _float(limits.cpus)))
            pairs.append(("mem_limit", service.mem_limit, "limits.memory", limits.memory))
            pairs.append(("pids_limit", service.pids_limit, "limits.pids", limits.pids))
        if reservations is not None:
            name = "mem_reservation"
            pairs.append(
                (name, service.mem_reservation, "reservations.memory", reservations.memory)
            )
        for name, value, other, second in pairs:
            if value and value != (second or 0):
                at = (*path, "deploy", "resources", *other.split("."))
                message = f"`{name}` and `deploy.resources.{other}` differ"
                self.refuse("E099", message, (*path, name), trail=self._beside(at))

    def watch(self, service: Service, path: Path) -> None:
        rules = service.develop.watch if service.develop is not None else ()
        for index, rule in enumerate(rules):
            if not rule.target and rule.action not in ("rebuild", "restart"):
                at = (*path, "develop", "watch", index)
                self.refuse("E034", f"a watch rule to {rule.action} needs a `target`", at)

    # ---- the whole ----

    def resources(self) -> None:
        """A secret that is not outside must come from somewhere."""
        for name, secret in self.project.secrets.items():
            if not (secret.external or secret.file or secret.environment or secret.content):
                message = f"the secret `{name}` has no source"
                hint = "add `file` or `environment`"
                self.refuse("E096", message, ("secrets", name), hint=hint, at_key=True)

    def circles(self) -> None:
        """Services may not wait for each other. Of circles that share a service one is told."""
        edges = dict(dependencies_of(self.project.services))
        for _ in range(_MOST_CIRCLES):
            circle = find_circle(edges)
            if not circle:
                return
            self._circle(circle)
            for name in circle:
                edges.pop(name, None)

    def _circle(self, circle: Sequence[str]) -> None:
        paths = [("services", a, "depends_on", b) for a, b in pairwise(circle)]
        origins: Mapping[Path, Origin] = self.project.origins
        trail = tuple(
            (f"`{path[1]}` needs `{path[3]}` at", place)
            for path in paths[1:_MOST_SHOWN]
            if (place := self.project.origins.key_of(path) or origins.get(path))
        )
        shown: Sequence[str] = circle
        if len(circle) > _MOST_SHOWN:
            shown = [*circle[: _MOST_SHOWN // 2], "...", *circle[-_MOST_SHOWN // 2 :]]
        names = " -> ".join(shown)
        hint = "take one of these dependencies away"
        message = f"services depend on each other in a circle: {names}"
        self.refuse("E060", message, paths[0], at_key=True, trail=trail, hint=hint)


def _is_default(path: str) -> bool:
    return path == "-" or os.path.basename(path) in NAMES


def _float(text: str) -> float | None:
    return float(text) if text else None


_SERVICE_CHECKS = (
    _Checks.source,
    _Checks.build,
    _Checks.networks,
    _Checks.healthcheck,
    _Checks.dependencies,
    _Checks.mounts,
    _Checks.files,
    _Checks.scale,
    _Checks.limits,
    _Checks.watch,
)
"""In the order in which faults of one service are told."""
