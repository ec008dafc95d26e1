"""One project name, two folders: what is shared, what is asked about.

As in Docker Compose the name is the project, so `up` in a second folder of that name works on the
first one's containers. That is said, and what would cost the other folder something is refused
unless the caller names the project himself (`-p`) or says yes. Two commits of one remote
repository are no two folders. Source: DESIGN.md 5.
"""

from __future__ import annotations

from compose.errors import ComposeError
from compose.model import copies
from compose.model.project import Project
from compose.planning import labels
from compose.planning.actions import CreateContainer, RemoveContainer
from compose.planning.observed import Observed
from compose.planning.plan import Plan
from runtime.values import ContainerRecord


def other_folder(project: Project, observed: Observed) -> str:
    """Another folder that existing containers come from; else nothing. One that is not there any
    more was moved, and is no other; nor is one whose link leads to the project's."""
    folders = {_folder(record) for record in observed.containers} - {""}
    if not folders and observed.project is not None and (observed.networks or observed.volumes):
        folders = {observed.project.folder} - {""}
    own = copies.origin_of(project.working_dir)
    others = {folder for folder in folders if copies.origin_of(folder) != own}
    return min(others - observed.same_folders, default="")


def _folder(record: ContainerRecord) -> str:
    return record.options.labels.get(labels.WORKING_DIR, "")


def warning(project: Project, folder: str) -> str:
    return (
        f'project "{project.name}" was started from {folder}: this folder shares it;'
        " `-p NAME` makes one of its own"
    )


def refuse(project: Project, folder: str, what: str) -> ComposeError:
    return ComposeError(
        f'project "{project.name}" was started from {folder}: {what} is refused from here',
        code="E260",
        hint=f"`-p {project.name}` or `-y` says that it is meant; `-p NAME` makes another project",
    )


def replaces_most(plan: Plan, observed: Observed, folder: str) -> bool:
    """Whether the plan ends more than one of the other folder's containers, or its only one."""
    theirs = {record.id for record in observed.containers if _folder(record) == folder}
    ended = {
        action.replaces if isinstance(action, CreateContainer) else action.id
        for action in plan
        if (isinstance(action, CreateContainer) and action.replaces)
        or isinstance(action, RemoveContainer)
    }
    lost = ended & theirs
    return len(lost) > 1 or (len(lost) == 1 and len(theirs) == 1)
