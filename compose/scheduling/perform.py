"""One function per action, one call of the Engine each. What they tell are Docker Compose's words.

An object that is gone already is no failure where it was to go. Source of the words: reference
cli.md 17.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from compose.errors import ActionFailed
from compose.model.service import Service
from compose.planning import actions
from compose.planning.actions import Condition
from compose.planning.dependencies import NAMESPACES, shared_with
from compose.planning.images import absolute, image_of
from compose.scheduling import hooks, reports
from compose.scheduling.conditions import (
    REACHED_WORDS,
    WAITED_WORDS,
    NotReached,
    has_healthcheck,
    judge,
)
from compose.scheduling.container_options import Making, container_options
from compose.scheduling.events import ResourceEvent, tell_progress
from compose.scheduling.work import Work
from runtime import tasks
from runtime.errors import AlreadyExists, InUse, NotFound, StartFailed
from runtime.values import (
    ContainerOptions,
    ContainerRecord,
    NetworkOptions,
    RunState,
    VolumeOptions,
)

BEING_MADE = 10.0
"""Seconds; a command that was killed over it leaves the name to the next."""
STAYS_SECONDS = 0.3
Made = NetworkOptions | VolumeOptions | ContainerOptions


async def perform(work: Work, action: actions.Action) -> None:
    """Do it. Raises RuntimeFault, ComposeError."""
    await _FUNCTIONS[type(action)](work, action)


async def ensure_image(work: Work, action: actions.EnsureImage) -> None:
    """`Pulling` ... `Pulled`; nothing is said of an image that turns out to be here."""
    name = f"Image {action.reference}"
    on_progress = None if work.quiet_pull else functools.partial(tell_progress, work.on_event, name)
    with work.told(name, "Pulling", "Pulled", tolerant=action.tolerant):
        try:
            await work.engine.ensure_image(
                action.reference,
                policy=action.policy,
                platform=action.platform,
                on_progress=on_progress,
            )
        except Exception:
            work.not_pulled.append(action)
            raise


async def push_image(work: Work, action: actions.PushImage) -> None:
    name = f"Image {action.reference}"
    on_progress = None if work.quiet_pull else functools.partial(tell_progress, work.on_event, name)
    with work.told(name, "Pushing", "Pushed", tolerant=action.tolerant):
        await work.engine.push_image(action.reference, on_progress=on_progress)


async def remove_image(work: Work, action: actions.RemoveImage) -> None:
    name = f"Image {action.reference}"
    work.tell(name, "Removing")
    try:
        await work.engine.remove_image(action.reference)
    except NotFound:
        work.tell(name, "Warning", "Warning", "No resource found to remove")
    except InUse:
        work.tell(name, "Resource is still in use", "Warning")
    else:
        work.tell(name, "Removed", "Done")


async def create_network(work: Work, action: actions.CreateNetwork) -> None:
    options = action.options
    with work.told(f"Network {options.name}", "Creating", "Created"):
        try:
            await work.engine.create_network(options)
        except AlreadyExists:
            found = work.engine.network(options.name)
            if found is None or not _is_the_same(found.options, options):
                raise


async def remove_network(work: Work, action: actions.RemoveNetwork) -> None:
    await _remove(
        work, f"Network {action.name}", work.engine.remove_network, action.name, action.tolerant
    )


async def create_volume(work: Work, action: actions.CreateVolume) -> None:
    options = action.options
    with work.told(f"Volume {options.name}", "Creating", "Created"):
        try:
            await work.engine.create_volume(options)
        except AlreadyExists:
            found = work.engine.volume(options.name)
            if found is None or not _is_the_same(found.options, options):
                raise


def _is_the_same(made: Made, wanted: Made) -> bool:
    """Another `up` of the same project was faster by a moment, and made what we want."""
    return (made.project, made.config_hash) == (wanted.project, wanted.config_hash)


async def remove_volume(work: Work, action: actions.RemoveVolume) -> None:
    await _remove(
        work, f"Volume {action.name}", work.engine.remove_volume, action.name, action.tolerant
    )


async def _remove(
    work: Work, id: str, remove: Callable[[str], Awaitable[None]], name: str, tolerant: bool
) -> None:
    work.tell(id, "Removing")
    try:
        await remove(name)
    except NotFound:
        pass
    except InUse as error:
        if not tolerant:
            work.tell(id, "Error", "Error", error.message)
            raise
        work.tell(id, "Resource is still in use", "Warning")
        return
    work.tell(id, "Removed", "Done")


async def create_container(work: Work, action: actions.CreateContainer) -> None:
    """A replica. One that replaces another is told as `Recreate`, until it is renamed."""
    service = work.project.all_services[action.service]
    id = f"Container {action.name}"
    if action.replaces:
        work.on_event(ResourceEvent(id=id, text="Recreate", reason=action.reason))
    else:
        work.tell(id, "Creating")
    try:
        making = Making(
            name=action.first_name,
            number=action.number,
            image_id=_image_id(work, image_of(work.project, service)),
            mounted_images=_mounted_images(work, service),
            replaces=action.name if action.replaces else "",
            inherit_from=action.replaces if action.inherit else "",
            ids=shared_ids(work, action.service),
            file_digests=work.file_digests,
            env_files=work.env_files,
            final_name=action.name,
        )
        options = container_options(work.project, service, making)
        work.made[action.name] = await _create(work, action, options)
        work.on_made(work.made[action.name], action.name)
    except Exception as error:
        work.tell(id, "Error", "Error", str(error).partition("\n")[0])
        raise
    if not action.replaces:
        work.tell(id, "Created", "Done")


def _mounted_images(work: Work, service: Service) -> Mapping[str, str]:
    references = (
        absolute(mount.source, work.project.working_dir)
        for mount in service.volumes
        if mount.type == "image"
    )
    return {reference: _image_id(work, reference) for reference in references}


async def _create(
    work: Work, action: actions.CreateContainer, options: ContainerOptions
) -> ContainerRecord:
    """Raises AlreadyExists when the name is taken, and not by what we want."""
    with tasks.move_on_after(BEING_MADE):
        while True:
            try:
                return await work.engine.create_container(options)
            except AlreadyExists as error:
                taken = error
            others = [one for one in work.engine.containers() if one.id != action.replaces]
            for other in others:
                if other.name in (options.name, action.name) and _is_the_same(
                    other.options, options
                ):
                    return other
            if any(other.name == options.name for other in others):
                break
            # while another command is still making it, it has the name and cannot be seen; no
            # event tells when it can, or when it is gone
            await tasks.sleep(0.02)
    raise taken


def _image_id(work: Work, reference: str) -> str:
    known = work.observed.images.get(reference) or work.engine.image(reference)
    return known.id if known is not None else ""


def shared_ids(work: Work, service_name: str) -> Mapping[str, str]:
    """The containers whose namespaces and volumes the service shares, by service or name."""
    service = work.project.all_services[service_name]
    found = {name: work.first_of(name) for _, name in shared_with(service)}
    words = [getattr(service, attribute) for attribute in NAMESPACES]
    for word in (*words, *service.volumes_from):
        kind, _, rest = word.partition(":")
        if kind == "container" and rest:
            name = rest.partition(":")[0]
            found[name] = work.engine.container(name).id
    return found


async def rename_container(work: Work, action: actions.RenameContainer) -> None:
    id = work.id_of(action.name, action.id)
    # another command that was faster may have made and named it
    if work.engine.container(id).name != action.name:
        await work.engine.rename_container(id, action.name)
    if not action.id:
        work.tell(f"Container {action.name}", "Recreated", "Done")


async def start_container(work: Work, action: actions.StartContainer) -> None:
    id = work.id_of(action.name, action.id)
    name = f"Container {action.name}"
    if not action.restarted:
        work.tell(name, "Starting")
    try:
        started = await work.engine.start_container(id)
    except StartFailed as error:
        work.tell(name, "Error", "Error", error.message)
        raise _with_facts(work, id, error) from error
    except Exception as error:
        work.tell(name, "Error", "Error", str(error).partition("\n")[0])
        raise
    work.states.put(id, started.state)
    work.tell_warnings(action.name, started.warnings)
    work.tell(name, "Started", "Done")


def _with_facts(work: Work, id: str, error: StartFailed) -> ActionFailed:
    plain = reports.as_failed(error)
    known = reports.describe_container(work.engine, id)
    # the state says in one line what the error says already
    facts = [*plain.details, *(line for line in known if plain.message not in line)]
    name = work.engine.container(id).name
    return ActionFailed(
        plain.message if plain.message.startswith(name) else f"{name}: {plain.message}",
        code=plain.code,
        hint=plain.hint,
        details=facts,
        exit_code=plain.exit_code,
    )


async def stop_container(work: Work, action: actions.StopContainer) -> None:
    name = f"Container {action.name}"
    if action.restarted:
        work.tell(name, "Restarting")
    elif not action.replaced:
        work.tell(name, "Stopping")
    try:
        state = await work.engine.stop_container(
            action.id,
            grace=action.grace,
            comes_back=action.name in work.starting,
            networks_go=work.removes_networks,
        )
    except NotFound:
        state = None
    except Exception as error:
        work.tell(name, "Error", "Error", str(error).partition("\n")[0])
        raise
    if state is not None:
        work.states.put(action.id, state)
    if not action.replaced and not action.restarted:
        work.tell(name, "Stopped", "Done")


async def remove_container(work: Work, action: actions.RemoveContainer) -> None:
    name = f"Container {action.name}"
    if not action.replaced:
        work.tell(name, "Removing")
    try:
        await work.engine.remove_container(action.id, force=action.force, volumes=action.volumes)
    except NotFound:
        pass
    except Exception as error:
        work.tell(name, "Error", "Error", str(error).partition("\n")[0])
        raise
    if not action.replaced:
        work.tell(name, "Removed", "Done")


async def kill_container(work: Work, action: actions.KillContainer) -> None:
    with work.told(f"Container {action.name}", "Killing", "Killed"):
        await work.engine.kill_container(action.id, signal=action.signal)


async def pause_container(work: Work, action: actions.PauseContainer) -> None:
    with work.told(f"Container {action.name}", "Pausing", "Paused"):
        await work.engine.pause_container(action.id)


async def unpause_container(work: Work, action: actions.UnpauseContainer) -> None:
    with work.told(f"Container {action.name}", "Unpausing", "Unpaused"):
        await work.engine.unpause_container(action.id)


async def run_hooks(work: Work, action: actions.RunHooks) -> None:
    await hooks.run(work, action)


async def wait_for(work: Work, action: actions.WaitFor) -> None:
    """All containers at once; the first that will not get there fails the wait."""
    for name, known in action.containers:
        await _wait_for_one(work, action, name, work.id_of(name, known))


async def _wait_for_one(work: Work, action: actions.WaitFor, name: str, id: str) -> None:
    record = work.engine.container(id)
    work.waited_for.setdefault(id, WAITED_WORDS[action.condition])
    work.on_event(
        ResourceEvent(
            id=f"Container {name}",
            text="Waiting",
            waiting_for=_wanted(action),
        )
    )
    if work.dry:
        word = REACHED_WORDS[action.condition]
    else:
        try:
            word = await _reached(work, action.condition, record)
        except NotReached as reason:
            raise _not_reached(work, action, name, id, reason) from None
    work.waited_for.pop(id, None)
    if action.condition == "ready_or_done" and not work.dry:
        work.ready.append((action, record))
    work.tell(f"Container {name}", word, "Done")


async def _reached(work: Work, condition: Condition, record: ContainerRecord) -> str:
    """The word for it. Raises NotReached."""

    def judged() -> str | None:
        return judge(condition, record, work.states.get(record.id))

    word = await work.states.until(judged)
    if condition != "ready_or_done" or has_healthcheck(record):
        return word
    while word == "Healthy" and (left := _left_to_stay(work.states.get(record.id))) > 0:
        with tasks.move_on_after(left):
            await work.states.until(lambda: judged() != "Healthy" or None)
        word = await work.states.until(judged)
    return word


def _left_to_stay(state: RunState) -> float:
    """Seconds. Of a program that nobody can ask, `--wait` wants to see that it does not end at
    once."""
    return min(STAYS_SECONDS, state.started_at + STAYS_SECONDS - time.time())


def check_ready(work: Work) -> None:
    """Raises ActionFailed when one that `--wait` found ready is not so any more."""
    for action, record in work.ready:
        try:
            judge(action.condition, record, work.states.get(record.id))
        except NotReached as reason:
            raise _not_reached(work, action, record.name, record.id, reason) from None


def _not_reached(
    work: Work, action: actions.WaitFor, name: str, id: str, reason: NotReached
) -> ActionFailed:
    work.tell(f"Container {name}", "Error", "Error", str(reason))
    return ActionFailed(
        f"dependency failed to start: {reason}" if action.needed_by else str(reason),
        code="E206",
        details=reports.describe_container(work.engine, id),
    )


def _wanted(action: actions.WaitFor) -> str:
    who = f", for {' and '.join(action.needed_by)}" if action.needed_by else ""
    return f"{WAITED_WORDS[action.condition]}{who}"


_FUNCTIONS: Mapping[type, Callable[[Work, Any], Awaitable[None]]] = {
    actions.EnsureImage: ensure_image,
    actions.PushImage: push_image,
    actions.RemoveImage: remove_image,
    actions.CreateNetwork: create_network,
    actions.RemoveNetwork: remove_network,
    actions.CreateVolume: create_volume,
    actions.RemoveVolume: remove_volume,
    actions.CreateContainer: create_container,
    actions.RenameContainer: rename_container,
    actions.StartContainer: start_container,
    actions.StopContainer: stop_container,
    actions.RemoveContainer: remove_container,
    actions.KillContainer: kill_container,
    actions.PauseContainer: pause_container,
    actions.UnpauseContainer: unpause_container,
    actions.RunHooks: run_hooks,
    actions.WaitFor: wait_for,
}
