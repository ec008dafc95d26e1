"""Containers that the project has and the file does not know: named in a warning, removed on wish.

Source: reference cli.md 6.4 and 18.
"""

from __future__ import annotations

from compose.model.project import Project
from compose.options import CreateOptions
from compose.planning.containers import Ready, add_removal
from compose.planning.observed import Observed, is_orphan
from compose.planning.plan import PlanBuilder
from runtime.values import ContainerRecord


def find_orphans(project: Project, observed: Observed) -> tuple[ContainerRecord, ...]:
    services = project.all_services
    return tuple(record for record in observed.containers if is_orphan(record, services))


def warning(orphans: tuple[ContainerRecord, ...]) -> str:
    """Docker's words: scripts look for them."""
    names = " ".join(record.name for record in orphans)
    return (
        f"Found orphan containers ([{names}]) for this project. If you removed or renamed this"
        " service in your compose file, you can run this command with the --remove-orphans flag to"
        " clean it up."
    )


def add_orphans(
    builder: PlanBuilder,
    project: Project,
    observed: Observed,
    wishes: CreateOptions,
    ready: Ready,
) -> None:
    """Their removal, or the warning."""
    orphans = find_orphans(project, observed)
    if not orphans:
        return
    if wishes.remove_orphans:
        for record in orphans:
            add_removal(builder, project, record, ready, reason="orphan", grace=wishes.timeout)
    elif not wishes.ignore_orphans:
        builder.warnings.append(warning(orphans))
