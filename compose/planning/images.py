"""Which images to get. By pull policy: what is missing while a plan runs, what may be newer before.

A pull can change which image a name means, and with it which containers are out of date. So images
of the policies that look again (always, daily, every_...) are a plan of their own, carried out
before anything is compared (`refreshing`); missing ones are part of the main plan. Source:
reference cli.md 6.1 and 15.2.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

from compose.errors import ComposeError
from compose.model.project import Project
from compose.model.service import Service
from compose.options import CreateOptions, PullOptions, PushOptions, RunOptions
from compose.planning.actions import EnsureImage, PushImage
from compose.planning.observed import Observed
from compose.planning.plan import Plan, PlanBuilder, Step

LOOKS_AGAIN = ("always", "daily", "weekly")
LAYOUT = "oci:"
BUILT_IN = ("host", "dir:", LAYOUT)


def image_of(project: Project, service: Service) -> str:
    """The service's image, or the name of a built one; `dir:` and `oci:` with a whole path."""
    return absolute(service.image or f"{project.name}-{service.name}", project.working_dir)


def absolute(reference: str, folder: str) -> str:
    """`dir:./rootfs` -> `dir:/the/project/rootfs`."""
    kind, colon, path = reference.partition(":")
    if not colon or f"{kind}:" not in BUILT_IN:
        return reference
    return f"{kind}:{os.path.normpath(os.path.join(folder, path))}"


def needed_by(project: Project, service: Service) -> tuple[str, ...]:
    """All images that the service's containers need: its own first, those that they mount, those of
    its hooks."""
    mounted = [mount.source for mount in service.volumes if mount.type == "image"]
    hooks = [hook.image for hook in service.pre_start if hook.image]
    further = (absolute(reference, project.working_dir) for reference in (*mounted, *hooks))
    return tuple(dict.fromkeys((image_of(project, service), *further)))


def policy_of(service: Service, wishes: CreateOptions | RunOptions) -> str:
    """The flag, else the file's word; `build` and nothing mean `missing`."""
    policy = wishes.pull or service.pull_policy
    return "missing" if policy in ("", "build", "if_not_present") else policy


def looks_again(policy: str) -> bool:
    return policy in LOOKS_AGAIN or policy.startswith("every_")


def is_built_in(reference: str) -> bool:
    """An image that lies on this machine and is never pulled."""
    return reference == BUILT_IN[0] or reference.startswith(BUILT_IN[1:])


def refreshing(
    project: Project, names: Iterable[str], wishes: CreateOptions | RunOptions, observed: Observed
) -> Plan:
    """The pulls to carry out before the comparison."""
    builder = PlanBuilder()
    _add(builder, project, names, wishes, observed, again=True)
    return builder.build()


def missing(
    project: Project, names: Iterable[str], wishes: CreateOptions | RunOptions, observed: Observed
) -> Plan:
    """The pulls of what is not here, alone."""
    builder = PlanBuilder()
    _add(builder, project, names, wishes, observed, again=False)
    return builder.build()


def add_missing(
    builder: PlanBuilder,
    project: Project,
    names: Iterable[str],
    wishes: CreateOptions | RunOptions,
    observed: Observed,
    reasons: Mapping[str, str] | None = None,
) -> Mapping[str, Step]:
    """A step for each image that is not here, by reference. `reasons` are services' own."""
    return _add(builder, project, names, wishes, observed, again=False, reasons=reasons or {})


def _add(
    builder: PlanBuilder,
    project: Project,
    names: Iterable[str],
    wishes: CreateOptions | RunOptions,
    observed: Observed,
    *,
    again: bool,
    reasons: Mapping[str, str] | None = None,
) -> Mapping[str, Step]:
    steps: dict[str, Step] = {}
    for reference, services in _needed(project, names).items():
        service = project.all_services[services[0]]
        is_own = reference == image_of(project, service)
        # what is mounted, and the images of hooks, are only ever got when they are missing
        policy = policy_of(service, wishes) if is_own else "missing"
        here = reference in observed.images
        if is_built_in(reference) and here:
            continue
        # a layout on the disk is read again as well: not being here may mean that it has changed
        is_early = looks_again(policy) or reference.startswith(LAYOUT)
        if again != is_early or (here and not again):
            continue
        if not here and is_own:
            _check_obtainable(project, service, reference, policy)
        steps[reference] = builder.add(
            EnsureImage(
                reference=reference,
                policy=policy,
                platform=service.platform if is_own else "",
                services=services,
                reason=f"pull policy {policy}" if here else _why(services, reasons or {}),
            )
        )
    return steps


def _why(services: tuple[str, ...], reasons: Mapping[str, str]) -> str:
    said = (reasons[name] for name in services if name in reasons)
    return next(said, f"needed by {', '.join(services)}")


def pulling(
    project: Project, names: Iterable[str], options: PullOptions, observed: Observed
) -> Plan:
    """What `pull` does: every image, unless the policy is content with the one that is here."""
    names = tuple(names)
    builder = PlanBuilder()
    own = _pullable(project, names, options)
    for reference, services in own.items():
        service = project.all_services[services[0]]
        policy = options.policy or _pull_policy(service)
        if policy == "missing" and reference in observed.images:
            continue
        builder.add(
            EnsureImage(
                reference=reference,
                policy=policy,
                platform=service.platform,
                services=services,
                tolerant=options.ignore_pull_failures,
                reason=f"pull policy {policy}",
            )
        )
    named = _by_image(project, names)
    for reference, services in _needed(project, names).items():
        # what is mounted, and the images of hooks, are only ever got when they are missing
        if reference in named or reference in observed.images or is_built_in(reference):
            continue
        builder.add(
            EnsureImage(
                reference=reference,
                policy="missing",
                services=services,
                tolerant=options.ignore_pull_failures,
                reason=f"needed by {', '.join(services)}",
            )
        )
    return builder.build()


def pushing(project: Project, names: Iterable[str], options: PushOptions) -> Plan:
    """What `push` does: every image that is built and has a name of its own, with its other
    tags."""
    builder = PlanBuilder()
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        service = project.all_services[name]
        if service.build and service.image and not is_built_in(service.image):
            for reference in (service.image, *service.build.tags):
                found[reference] = (*found.get(reference, ()), name)
    for reference, services in found.items():
        builder.add(
            PushImage(
                reference=reference,
                services=services,
                tolerant=options.ignore_push_failures,
                reason="asked for",
            )
        )
    return builder.build()


def already_here(
    project: Project, names: Iterable[str], options: PullOptions, observed: Observed
) -> tuple[str, ...]:
    """The images that `pulling` leaves out."""
    return tuple(
        reference
        for reference, services in _pullable(project, names, options).items()
        if (options.policy or _pull_policy(project.all_services[services[0]])) == "missing"
        and reference in observed.images
    )


def _pullable(
    project: Project, names: Iterable[str], options: PullOptions
) -> Mapping[str, tuple[str, ...]]:
    services = project.all_services
    wanted = [
        name
        for name in names
        if services[name].image and not (services[name].build and options.ignore_buildable)
    ]
    found = _by_image(project, wanted)
    return {reference: users for reference, users in found.items() if not is_built_in(reference)}


def _pull_policy(service: Service) -> str:
    return "missing" if service.pull_policy in ("missing", "if_not_present") else "always"


def _by_image(project: Project, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        service = project.all_services[name]
        if service.provider is None:
            reference = image_of(project, service)
            found[reference] = (*found.get(reference, ()), name)
    return found


def _needed(project: Project, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The services that need an image in whatever way, by image; those whose own it is first."""
    names = tuple(names)
    found = dict(_by_image(project, names))
    for name in names:
        service = project.all_services[name]
        if service.provider is None:
            for reference in needed_by(project, service):
                if name not in found.get(reference, ()):
                    found[reference] = (*found.get(reference, ()), name)
    return found


def _check_obtainable(project: Project, service: Service, reference: str, policy: str) -> None:
    where = project.origins.nearest(("services", service.name, "image"))
    if policy == "never" and not is_built_in(reference):
        raise ComposeError(
            f"image {reference} of service {service.name} is not here, and is not to be pulled",
            code="E210",
            where=where,
            hint=f"`pycompose pull {service.name}`, or another `pull_policy`",
        )
    if not service.image:
        raise ComposeError(
            f"service {service.name} has an image to build, and building is not there yet",
            code="E211",
            where=project.origins.nearest(("services", service.name, "build")),
            hint=f"build it elsewhere, import it as {reference}: `pycompose image import TAR NAME`",
        )


def references(project: Project, names: Collection[str]) -> Mapping[str, str]:
    """What to ask the engine about: image -> the platform that is asked for."""
    own = _by_image(project, names)
    return {
        reference: project.all_services[services[0]].platform if reference in own else ""
        for reference, services in _needed(project, names).items()
    }
