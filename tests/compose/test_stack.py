"""The verbs of a Stack over an engine in memory: what is done, what is told, what is left."""

import inspect
import os
import shutil

import anyio
import pytest

from compose.errors import ActionFailed, ComposeError, InvalidFile, NotFound
from compose.options import (
    DownOptions,
    ExecOptions,
    KillOptions,
    PsOptions,
    RemoveOptions,
    RestartOptions,
    RunOptions,
    StartOptions,
    StopOptions,
    UpOptions,
    WaitOptions,
)
from compose.stack import AsyncStack, Stack
from runtime import tasks
from runtime.errors import AlreadyExists, PortTaken, RuntimeFault, StartFailed
from tests.fakes.engine import FakeEngine, World, image
from tests.fakes.stacks import play

DETACHED = UpOptions(detach=True)
SHOP = """
services:
  web: {depends_on: [db], volumes: ["data:/data"]}
  db: {}
volumes: {data: {}}
"""


def test_up_tells_what_it_makes_in_dockers_words(tmp_path):
    shop = play(tmp_path, SHOP)
    result = shop.stack.up(DETACHED, on_event=shop.hear)
    assert sorted(shop.said.splitlines()) == [
        "Container p-db-1 Created",
        "Container p-db-1 Started",
        "Container p-web-1 Created",
        "Container p-web-1 Started",
        "Network p_default Created",
        "Volume p_data Created",
    ]
    assert [record.name for record in result.containers] == ["p-db-1", "p-web-1"]
    assert result.exit_code == 0


def test_a_second_up_says_that_all_is_running_and_does_nothing(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.world.journal.clear()
    shop.stack.up(DETACHED, on_event=shop.hear)
    assert shop.said == "Container p-db-1 Running\nContainer p-web-1 Running"
    assert shop.done == ""


def test_an_up_of_no_service_is_an_error_as_with_docker(tmp_path):
    shop = play(tmp_path, "services: {web: {profiles: [debug]}, db: {profiles: [all]}}")
    with pytest.raises(NotFound) as refused:
        shop.stack.up(UpOptions(detach=True), on_event=shop.hear)
    assert (str(refused.value), refused.value.hint) == (
        "no service selected",
        "activate one of their profiles (all, debug)",
    )
    assert shop.world.containers == {}


def test_down_leaves_nothing_but_volumes(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.stack.down(on_event=shop.hear)
    assert str(shop.world) == "volume p_data"
    assert "Network p_default Removed" in shop.said


def test_down_with_volumes_leaves_nothing_at_all(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.stack.down(DownOptions(volumes=True))
    assert str(shop.world) == ""
    assert shop.world.projects == {}


def test_down_stops_dependents_first(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.world.journal.clear()
    shop.stack.down(DownOptions(timeout=3))
    stops = [line for line in shop.world.journal if line.startswith("stop")]
    assert stops == ["stop p-web-1 within 3s", "stop p-db-1 within 3s"]


def test_down_of_nothing_says_so(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.down(on_event=shop.hear)
    assert shop.said == 'warning: No resource found to remove for project "p".'
    assert shop.world.projects == {}


def test_down_by_name_needs_no_file(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    nameless = play(tmp_path, "services: {}", shop.world, project_name="p")
    (nameless.folder / "compose.yaml").unlink()
    nameless.stack.down(DownOptions(volumes=True))
    assert str(shop.world) == ""


def test_a_recreation_is_told_as_one_step(tmp_path):
    shop = play(tmp_path, "services: {web: {}}")
    shop.stack.up(DETACHED)
    shop.world.journal.clear()
    shop = shop.changed("services: {web: {user: nobody}}")
    shop.stack.up(DETACHED, on_event=shop.hear)
    assert shop.said == "Container p-web-1 Recreated\nContainer p-web-1 Started"
    assert [line.split()[0] for line in shop.world.journal] == [
        "create",
        "stop",
        "remove",
        "rename",
        "start",
    ]
    assert str(shop.world) == "p-web-1 running host\nnetwork p_default"


def test_a_name_that_becomes_free_is_waited_for(tmp_path, monkeypatch):
    """Another command was making the container, and was killed or did not succeed."""
    create = FakeEngine.create_container
    refusals = ["not to be seen yet", "nor now"]

    async def create_later(engine, options):
        if refusals:
            raise AlreadyExists(refusals.pop(0))
        return await create(engine, options)

    monkeypatch.setattr(FakeEngine, "create_container", create_later)
    shop = play(tmp_path, "services: {web: {}}")
    shop.stack.up(DETACHED)
    assert str(shop.world) == "p-web-1 running host\nnetwork p_default"


def test_what_another_up_recreates_faster_is_taken_as_it_is(tmp_path, monkeypatch):
    create = FakeEngine.create_container
    shop = play(tmp_path, "services: {web: {}}")
    shop.stack.up(DETACHED)
    others = []

    async def be_slower(engine, options):
        made = await create(engine, options)
        for record in (*shop.world.containers.values(),):
            if record.name == "p-web-1":
                await engine.remove_container(record.id, force=True)
        await engine.rename_container(made.id, "p-web-1")
        others.append(made.id)
        raise AlreadyExists(options.name)

    monkeypatch.setattr(FakeEngine, "create_container", be_slower)
    shop = shop.changed("services: {web: {user: nobody}}")
    shop.stack.up(DETACHED)
    assert str(shop.world) == "p-web-1 running host\nnetwork p_default"
    assert [*shop.world.containers] == others


def test_a_changed_secret_file_recreates_and_its_content_appears_nowhere(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("canary-one")
    text = "services: {web: {secrets: [pw]}}\nsecrets: {pw: {file: ../password}}"
    shop = play(tmp_path, text)
    shop.stack.up(DETACHED)
    secret.write_text("canary-two")
    shop = shop.changed(text)
    assert "content of secret pw changed" in shop.stack.explain()
    shop.stack.up(DETACHED, on_event=shop.hear)
    told = f"{shop.heard} {shop.world.events} {shop.done}"
    assert "canary" not in told
    assert "Recreated" in shop.said


# --- waiting and failing

CHAIN = """
services:
  web: {depends_on: {db: {condition: service_healthy}}}
  db: {healthcheck: {test: [CMD, "true"]}}
"""


def test_a_link_to_a_container_that_is_not_there_is_said(tmp_path):
    there = "services: {there: {container_name: there}}"
    shop = play(
        tmp_path, f"{there[:-1]}, web: {{external_links: [gone, gone:old, there, p-there-1:a]}}}}"
    )
    shop.stack.up(DETACHED, on_event=shop.hear)
    warning = (
        'warning: service "web" links to the container "gone", and there is none: its name is not '
        "found until there is"
    )
    assert [line for line in shop.said.splitlines() if "links to" in line] == [warning]


def test_who_waits_starts_when_the_other_is_healthy(tmp_path):
    shop = play(tmp_path, CHAIN)
    shop.world.health["db"] = "healthy"
    shop.stack.up(DETACHED, on_event=shop.hear)
    tail = shop.said.splitlines()[-3:]
    assert tail == [
        "Container p-db-1 Started",
        "Container p-db-1 Healthy",
        "Container p-web-1 Started",
    ]


def test_waiting_reacts_to_events_and_never_sleeps(tmp_path, monkeypatch):
    """No step of half a second, nor any other: between two events nothing looks."""
    slept = []
    sleep = tasks.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr("runtime.tasks.sleep", noted)
    shop = play(tmp_path, CHAIN)
    shop.world.health["db"] = "starting"

    def hear(event):
        shop.hear(event)
        if getattr(event, "text", "") == "Waiting":
            shop.world.become("p-db-1", health="healthy")

    shop.stack.up(DETACHED, on_event=hear)
    assert shop.said.splitlines()[-1] == "Container p-web-1 Started"
    assert set(slept) == {0}


def test_an_unhealthy_dependency_fails_what_waits_and_shows_its_last_words(tmp_path):
    shop = play(tmp_path, CHAIN)
    shop.world.health["db"] = "starting"

    def hear(event):
        shop.hear(event)
        if getattr(event, "text", "") == "Waiting":
            shop.world.write("p-db-1", b"out of disk")
            shop.world.become("p-db-1", health="unhealthy", failing_streak=3)

    with pytest.raises(ActionFailed) as caught:
        shop.stack.up(DETACHED, on_event=hear)
    assert str(caught.value) == "dependency failed to start: container p-db-1 is unhealthy"
    assert "  | out of disk" in caught.value.details
    assert "p-web-1 created host" in str(shop.world)


def test_a_job_that_fails_is_named_with_its_code(tmp_path):
    shop = play(
        tmp_path,
        """
        services:
          app: {depends_on: {job: {condition: service_completed_successfully}}}
          job: {}
        """,
    )
    shop.world.ends["job"] = 3
    with pytest.raises(ActionFailed, match="didn't complete successfully: exit 3"):
        shop.stack.up(DETACHED)


def test_an_optional_dependency_that_fails_is_a_warning(tmp_path):
    shop = play(tmp_path, CHAIN.replace("service_healthy}", "service_healthy, required: false}"))
    shop.world.ends["db"] = 1
    shop.stack.up(DETACHED, on_event=shop.hear)
    assert 'warning: optional dependency "db" failed to start' in shop.said
    assert "p-web-1 running" in str(shop.world)


def test_that_nothing_is_built_is_said(tmp_path):
    shop = play(tmp_path, "services: {web: {image: host, build: .}, db: {}}")
    shop.stack.up(UpOptions(detach=True, build=True), on_event=shop.hear)
    assert shop.said.splitlines()[0] == (
        "warning: --build: nothing is built in this version; the images that are here are used,"
        " of web"
    )


def test_what_the_engine_says_of_an_attribute_has_its_place(tmp_path):
    shop = play(tmp_path, "services: {web: {cap_add: [NOSUCH]}}")
    shop.world.refuses["web"] = RuntimeFault("`cap_add: NOSUCH` is no capability", code="E307")
    for verb in (
        lambda: shop.stack.up(DETACHED),
        lambda: shop.stack.run(RunOptions(service="web")),
    ):
        with pytest.raises(ActionFailed) as caught:
            verb()
        assert str(caught.value.where).endswith("compose.yaml:3:5")


def test_an_image_that_cannot_be_had_leaves_everything_as_it_was(tmp_path):
    shop = play(tmp_path, "services: {web: {}, db: {image: 'here.example/pg:1'}}")
    shop.world.refuses["here.example/pg:1"] = RuntimeFault("cannot reach here.example", code="E540")
    with pytest.raises(ActionFailed) as caught:
        shop.stack.up(DETACHED, on_event=shop.hear)
    assert str(caught.value) == "image here.example/pg:1 of db: cannot reach here.example"
    assert str(shop.world) == ""
    assert shop.done == "ensure image here.example/pg:1 missing\nforget project p"


def test_a_failure_loses_its_dependents_and_spares_its_siblings(tmp_path):
    shop = play(tmp_path, "services: {a: {depends_on: [bad]}, bad: {}, b: {}}")
    shop.world.refuses["bad"] = StartFailed(
        "bad-1: cannot execute /nope", tried="execve", answered="ENOENT", exit_code=127
    )
    with pytest.raises(ActionFailed) as caught:
        shop.stack.up(DETACHED, on_event=shop.hear)
    assert caught.value.exit_code == 1  # 127 is for `run` and `exec`, whose command it is
    assert caught.value.details == ("tried:    execve", "answered: ENOENT")
    assert str(shop.world).splitlines()[:3] == [
        "p-a-1 created host",
        "p-b-1 running host",
        "p-bad-1 created host",
    ]


def test_wait_takes_a_job_that_ended_with_0_as_done(tmp_path):
    shop = play(tmp_path, "services: {job: {}, web: {}}")
    shop.world.ends["job"] = 0
    shop.stack.up(UpOptions(wait=True), on_event=shop.hear)
    assert "Container p-job-1 Exited" in shop.said
    assert "Container p-web-1 Healthy" in shop.said


def test_wait_fails_when_a_container_ends_otherwise(tmp_path):
    shop = play(tmp_path, "services: {job: {}}")
    shop.world.ends["job"] = 4
    with pytest.raises(ActionFailed, match=r"container p-job-1 exited \(4\)"):
        shop.stack.up(UpOptions(wait=True))


def test_wait_fails_at_once_when_one_that_was_ready_ends(tmp_path):
    shop = play(tmp_path, "services: {slow: {healthcheck: {test: exit 0}}, web: {}}")
    shop.world.health["slow"] = "starting"

    async def both():
        with tasks.fail_after(30):
            async with tasks.group() as group:
                group.start_soon(end_web)
                with pytest.raises(ActionFailed, match=r"container p-web-1 exited \(1\)"):
                    await shop.async_stack.up(UpOptions(wait=True), on_event=shop.hear)
                group.cancel()

    async def end_web():
        while "Container p-web-1 Healthy" not in shop.said:
            await tasks.sleep(0)
        shop.world.become("p-web-1", status="exited", exit_code=1)

    anyio.run(both)


def test_the_wait_has_a_limit(tmp_path):
    shop = play(tmp_path, CHAIN)
    shop.world.health["db"] = "starting"
    with pytest.raises(ActionFailed, match=r"application not healthy after 0.01s"):
        shop.stack.up(UpOptions(wait=True, wait_timeout=0.01))


def test_a_deadline_ends_any_verb(tmp_path):
    shop = play(tmp_path, CHAIN)
    shop.world.health["db"] = "starting"
    with pytest.raises(TimeoutError):
        shop.stack.up(DETACHED, deadline=0.01)


def test_a_taken_port_is_found_before_anything_is_made_to_run(tmp_path):
    shop = play(tmp_path, 'services: {web: {ports: ["8080:80"]}}')
    shop.world.taken_ports[8080] = "nginx (pid 1)"
    with pytest.raises(Exception, match="port 8080 is held by nginx"):
        shop.stack.up(DETACHED)
    assert shop.done == "forget project p"


def test_a_port_that_another_command_has_just_started_it_with_is_not_taken(tmp_path, monkeypatch):
    """`up` beside `restart`: what was stopped when the plan was made runs by now."""
    shop = play(tmp_path, 'services: {web: {ports: ["8080:80"]}}')
    shop.stack.up(DETACHED)
    ports = shop.world.by_name("p-web-1").state.ports
    shop.world.become("p-web-1", status="exited", ports=())

    def check_ports(_engine, bindings):
        if list(bindings):
            shop.world.become("p-web-1", status="running", ports=ports)
            raise PortTaken("port 8080 is held by a supervisor")

    monkeypatch.setattr(FakeEngine, "check_ports", check_ports)
    shop.stack.up(DETACHED, on_event=shop.hear)
    assert shop.world.by_name("p-web-1").state.status == "running"


def test_what_cannot_be_honoured_is_refused_with_its_place_before_anything_happens(tmp_path):
    shop = play(tmp_path, "services: {web: {runtime: runsc}}")
    with pytest.raises(InvalidFile) as caught:
        shop.stack.up(DETACHED)
    assert "compose.yaml:3:5" in str(caught.value)
    assert shop.done.replace("forget project p", "") == ""


def test_what_does_nothing_here_is_said(tmp_path):
    shop = play(tmp_path, "services: {web: {deploy: {placement: {constraints: [a]}}}}")
    shop.stack.up(DETACHED, on_event=shop.hear)
    assert "warning: `deploy.placement`: is for clusters, and does nothing here" in shop.said


# --- images


def test_an_image_that_is_not_here_is_pulled(tmp_path):
    shop = play(tmp_path, "services: {web: {image: nginx:1}}")
    shop.world.obtainable["nginx:1"] = image("nginx:1")
    shop.stack.up(DETACHED, on_event=shop.hear)
    assert "Image nginx:1 Pulled" in shop.said


def test_a_newer_image_recreates_when_the_policy_looks_again(tmp_path):
    shop = play(tmp_path, "services: {web: {image: nginx:1, pull_policy: always}}")
    shop.world.images["nginx:1"] = image("nginx:1", id="sha256:old")
    shop.world.obtainable["nginx:1"] = image("nginx:1", id="sha256:old")
    shop.stack.up(DETACHED)
    shop.world.obtainable["nginx:1"] = image("nginx:1", id="sha256:new")
    shop.stack.up(DETACHED, on_event=shop.hear)
    assert "Container p-web-1 Recreated" in shop.said


# --- two folders


def test_another_folder_of_the_same_name_shares_with_a_warning(tmp_path):
    shop = _started_elsewhere(tmp_path, "services: {web: {}}")
    shop.stack.up(DETACHED, on_event=shop.hear)
    assert shop.said.startswith('warning: project "p" was started from ')
    assert shop.said.endswith("Container p-web-1 Running")


def test_another_folder_does_not_recreate_what_it_did_not_make(tmp_path):
    shop = _started_elsewhere(tmp_path, "services: {web: {user: nobody}}")
    with pytest.raises(ComposeError, match="recreating its containers is refused"):
        shop.stack.up(DETACHED)
    shop.stack.up(UpOptions(detach=True, yes=True))


def test_another_folder_does_not_remove_volumes(tmp_path):
    shop = _started_elsewhere(tmp_path, "services: {web: {}}")
    with pytest.raises(ComposeError, match="`down --volumes` is refused"):
        shop.stack.down(DownOptions(volumes=True))


def test_another_folder_is_held_back_also_when_it_has_containers_of_its_own(tmp_path):
    shop = _started_elsewhere(tmp_path, "services: {api: {}}")
    shop.stack.up(DETACHED)
    with pytest.raises(ComposeError, match="`--remove-orphans` is refused"):
        shop.stack.up(UpOptions(detach=True, remove_orphans=True))


def test_a_folder_that_was_moved_is_no_other(tmp_path):
    shop = _started_elsewhere(tmp_path, "services: {web: {user: nobody}}")
    shutil.rmtree(tmp_path / "one")
    shop.stack.up(DETACHED, on_event=shop.hear)
    assert "Container p-web-1 Recreated" in shop.said


def _started_elsewhere(tmp_path, text):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = play(tmp_path / "one", "services: {web: {}}")
    first.stack.up(DETACHED)
    return play(tmp_path / "two", text, first.world)


# --- the other verbs


def test_stop_and_start_go_by_the_order_of_dependencies(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.world.journal.clear()
    shop.stack.stop()
    shop.stack.start(StartOptions(services=("web",)))
    assert shop.done == "stop p-web-1\nstop p-db-1\nstart p-db-1\nstart p-web-1"


def test_start_without_a_container_is_an_error(tmp_path):
    shop = play(tmp_path, SHOP)
    with pytest.raises(NotFound, match='service "db" has no container to start'):
        shop.stack.start()


def test_restart_ignores_plain_dependencies(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.world.journal.clear()
    shop.stack.restart(RestartOptions(services=("db",)), on_event=shop.hear)
    assert shop.done == "stop p-db-1\nstart p-db-1"
    assert shop.said == "Container p-db-1 Started"


def test_restart_follows_restart_true(tmp_path):
    shop = play(
        tmp_path,
        """
        services:
          web: {depends_on: {db: {condition: service_started, restart: true}}}
          db: {}
        """,
    )
    shop.stack.up(DETACHED)
    shop.world.journal.clear()
    shop.stack.restart(RestartOptions(services=("db",)))
    assert shop.done == "stop p-db-1\nstart p-db-1\nstop p-web-1\nstart p-web-1"


def test_kill_sends_the_signal(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.world.journal.clear()
    shop.stack.kill(KillOptions(services=("db",), signal="SIGUSR1"))
    assert shop.done == "kill p-db-1 SIGUSR1"


def test_rm_removes_what_does_not_run(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.stack.stop(StopOptions(services=("web",)))
    assert [record.name for record in shop.stack.removable(RemoveOptions())] == ["p-web-1"]
    shop.stack.rm()
    assert [record.name for record in shop.stack.ps(PsOptions(all=True))] == ["p-db-1"]


def test_rm_with_stop_takes_all(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.stack.rm(RemoveOptions(stop=True, volumes=True))
    assert shop.stack.ps(PsOptions(all=True)) == ()
    assert "remove p-web-1 with its volumes" in shop.done


def test_pause_and_unpause(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.stack.pause(("db",))
    with pytest.raises(ComposeError, match="already paused"):
        shop.stack.pause(("db",))
    shop.stack.unpause()
    assert [record.state.status for record in shop.stack.ps()] == ["running", "running"]


def test_scale_changes_only_the_number(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.stack.scale({"db": 3})
    assert [r.name for r in shop.stack.ps()] == ["p-db-1", "p-db-2", "p-db-3", "p-web-1"]


def test_wait_returns_in_the_order_of_the_ends(tmp_path):
    shop = play(tmp_path, "services: {a: {}, b: {}}")
    shop.stack.up(DETACHED)

    async def end_both():
        from runtime import tasks

        stack = shop.async_stack
        ended = []

        async def waiting():
            ended.extend(await stack.wait(WaitOptions(services=("a", "b"))))

        async with tasks.group() as group:
            group.start_soon(waiting)
            while not shop.world.watchers:
                await tasks.sleep(0)
            shop.world.become("p-b-1", status="exited", exit_code=2)
            await tasks.sleep(0)
            shop.world.become("p-a-1", status="exited", exit_code=0)
        return ended

    import anyio

    assert [(e.container.name, e.exit_code) for e in anyio.run(end_both)] == [
        ("p-b-1", 2),
        ("p-a-1", 0),
    ]


def test_exec_returns_what_the_command_wrote(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.world.commands["cat", "/x"] = (3, b"hello")
    done = shop.stack.exec(ExecOptions(service="web", command=("cat", "/x")))
    assert (done.exit_code, done.stdout, done.container) == (3, b"hello", "p-web-1")


def test_exec_in_a_service_that_does_not_run(tmp_path):
    shop = play(tmp_path, SHOP)
    with pytest.raises(ComposeError, match='service "web" is not running'):
        shop.stack.exec(ExecOptions(service="web", command=("true",)))


def test_an_unknown_service_gets_the_nearest_name(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    with pytest.raises(NotFound) as caught:
        shop.stack.ps(PsOptions(services=("wbe",)))
    assert (str(caught.value), caught.value.hint) == ("no such service: wbe", "did you mean `web`?")


def test_the_host_port_of_a_service(tmp_path):
    shop = play(tmp_path, 'services: {web: {ports: ["8080:80"]}}')
    shop.stack.up(DETACHED)
    assert shop.stack.host_port("web", 80) == 8080
    with pytest.raises(NotFound, match="no port 81/tcp for container p-web-1"):
        shop.stack.host_port("web", 81)


def test_the_host_port_of_a_protocol_and_of_a_replica(tmp_path):
    shop = play(tmp_path, 'services: {web: {ports: ["8080:53", "90:53/udp"]}}')
    shop.stack.up(DETACHED)
    assert shop.stack.host_port("web", 53, protocol="udp", index=1) == 90
    with pytest.raises(NotFound, match="container #2"):
        shop.stack.host_port("web", 53, index=2)


# --- run


def test_run_brings_up_dependencies_and_returns_the_exit_code(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.world.ends["web"] = 7
    done = shop.stack.run(RunOptions(service="web", command=("make",), remove=True))
    assert done.exit_code == 7
    assert "start p-db-1" in shop.done
    assert [record.name for record in shop.stack.ps(PsOptions(all=True))] == ["p-db-1"]


@pytest.mark.parametrize(
    ("condition", "becomes", "message"),
    [
        ("service_healthy", "unhealthy", "container p-db-1 is unhealthy"),
        (
            "service_completed_successfully",
            "done",
            'service "db" didn\'t complete successfully: exit 3',
        ),
    ],
)
def test_run_waits_for_what_its_service_needs(tmp_path, condition, becomes, message):
    text = f"services: {{web: {{depends_on: {{db: {{condition: {condition}}}}}}}, db: {{}}}}"
    shop = play(tmp_path, text)
    if becomes == "done":
        shop.world.ends["db"] = 3
    else:
        shop.world.health["db"] = becomes
    with pytest.raises(ActionFailed) as caught:
        shop.stack.run(RunOptions(service="web"))
    assert str(caught.value) == f"dependency failed to start: {message}"
    shop = play(tmp_path, text.replace("{condition", "{required: false, condition"), shop.world)
    shop.stack.run(RunOptions(service="web", detach=True), on_event=shop.hear)
    assert 'warning: optional dependency "db" failed to start' in shop.said
    assert len(shop.stack.ps(PsOptions(services=("web",)))) == 1


def test_a_one_off_has_no_ports_no_number_and_a_name_of_its_own(tmp_path):
    shop = play(tmp_path, 'services: {web: {ports: ["80:80"], restart: always}}')
    shop.stack.run(RunOptions(service="web", detach=True, user="me", environment={"A": "1"}))
    (record,) = shop.stack.ps()
    options = record.options
    assert options.name.startswith("p-web-run-")
    assert (options.ports, options.number, options.oneoff) == ((), 0, True)
    assert (options.user, dict(options.environment), options.restart.name) == (
        "me",
        {"A": "1"},
        "no",
    )
    assert options.endpoints[0].aliases == (options.name,)
    assert options.labels["com.docker.compose.oneoff"] == "True"
    assert "com.docker.compose.container-number" not in options.labels


def test_run_publishes_and_mounts_what_it_is_told(tmp_path):
    shop = play(tmp_path, 'services: {web: {ports: ["80:80"], volumes: ["/etc:/x"]}}')
    shop.stack.run(
        RunOptions(
            service="web",
            detach=True,
            publish=("9000:90",),
            service_ports=True,
            volumes=("/tmp:/x:ro",),
            entrypoint=("sh",),
        )
    )
    options = shop.stack.ps()[0].options
    assert [(p.host_port, p.container_port) for p in options.ports] == [(80, 80), (9000, 90)]
    assert [(m.source, m.target, m.read_only) for m in options.mounts] == [("/tmp", "/x", True)]
    assert (options.entrypoint, options.command) == (("sh",), ())


# --- hooks


def test_hooks_run_after_the_start_and_before_the_stop_and_are_heard(tmp_path):
    shop = play(
        tmp_path, "services: {web: {post_start: [{command: [hi]}], pre_stop: [{command: [bye]}]}}"
    )
    shop.world.commands["hi",] = (0, b"hello\n")
    shop.stack.up(DETACHED, on_event=shop.hear)
    shop.stack.down()
    assert "web-1 -> hello" in shop.said
    assert [line for line in shop.world.journal if "web-1" in line] == [
        "create p-web-1",
        "start p-web-1",
        "exec hi in p-web-1",
        "exec bye in p-web-1",
        "stop p-web-1",
        "remove p-web-1",
    ]


def test_a_hook_that_fails_fails_the_verb_with_the_end_of_its_output(tmp_path):
    shop = play(tmp_path, "services: {web: {post_start: [{command: [hi]}]}}")
    shop.world.commands["hi",] = (9, b"no such table")
    with pytest.raises(ActionFailed, match="web hook exited with status 9") as caught:
        shop.stack.up(DETACHED)
    assert caught.value.details == ("  | no such table",)


def test_a_hook_that_keeps_its_container_from_ending_is_left_out_by_kill(tmp_path):
    shop = play(tmp_path, "services: {web: {pre_stop: [{command: [bye]}]}}")
    shop.world.commands["bye",] = (3, b"busy")
    shop.stack.up(DETACHED)
    with pytest.raises(ActionFailed, match="web hook exited with status 3") as caught:
        shop.stack.down()
    assert caught.value.hint == "`pycompose kill web` ends it without its hooks"
    shop.stack.kill()
    shop.stack.down()
    assert str(shop.world) == ""


def test_pre_start_is_a_container_of_its_own(tmp_path):
    shop = play(tmp_path, "services: {web: {pre_start: [{command: [prepare]}]}}")
    world = shop.world
    seen = []

    def hear(event):
        if getattr(event, "id", "") == "Container p-web-1" and event.text == "Started":
            seen.append(str(world))

    create = world.happen

    def happen(kind, action, id, record=None, state=None):
        create(kind, action, id, record, state)
        if action == "start" and record is not None and "pre_start" in record.name:
            world.become(record.name, status="exited", exit_code=0)

    world.happen = happen
    shop.stack.up(DETACHED, on_event=hear)
    assert "create p-web-pre_start-0" in shop.done
    assert str(world) == "p-web-1 running host\nnetwork p_default"


# --- dry runs


def test_a_dry_run_says_all_and_does_nothing(tmp_path):
    shop = play(tmp_path, CHAIN, dry_run=True)
    shop.stack.up(UpOptions(), on_event=shop.hear)
    assert shop.said.splitlines()[-1] == "Container p-web-1 Started"
    assert "Container p-db-1 Healthy" in shop.said
    assert shop.done == ""
    assert str(shop.world) == ""


def test_a_dry_run_of_down(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(DETACHED)
    shop.world.journal.clear()
    dry = play(tmp_path, SHOP, shop.world, dry_run=True)
    dry.stack.down(DownOptions(volumes=True), on_event=dry.hear)
    assert "Container p-web-1 Removed" in dry.said
    assert "Volume p_data Removed" in dry.said
    assert shop.done == ""


# --- Python


def test_running_is_up_inside_and_nothing_after(tmp_path):
    shop = play(tmp_path, SHOP)
    with shop.stack.running() as stack:
        assert len(stack.ps()) == 2
    assert str(shop.world) == ""


def test_running_takes_down_what_a_failing_test_leaves(tmp_path):
    shop = play(tmp_path, SHOP)
    with pytest.raises(ZeroDivisionError), shop.stack.running():
        raise ZeroDivisionError
    assert str(shop.world) == ""


def test_a_listener_that_fails_does_not_stop_the_way_down(tmp_path):
    shop = play(tmp_path, SHOP)

    def listen(event):
        if getattr(event, "text", "") == "Stopping":
            raise ValueError(event.id)

    with pytest.raises(ValueError, match="Container p-web-1"), shop.stack.running(on_event=listen):
        pass
    assert str(shop.world) == ""
    # before it, what a listener raises ends the verb
    shop.stack.up(DETACHED)
    with pytest.raises(ActionFailed, match="ValueError: Container p-web-1") as caught:
        shop.stack.stop(on_event=listen)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_lease_is_taken_when_asked_for(tmp_path):
    shop = play(tmp_path, SHOP)
    shop.stack.up(UpOptions(detach=True, lease=True))
    assert "lease" in shop.world.journal


def test_both_faces_have_the_same_methods():
    public = [
        name
        for name, member in inspect.getmembers(AsyncStack, callable)
        if not name.startswith("_")
    ]
    assert public == [n for n, m in inspect.getmembers(Stack, callable) if not n.startswith("_")]
    for name in public:
        one, other = inspect.signature(getattr(AsyncStack, name)), getattr(Stack, name)
        assert one.parameters == inspect.signature(other).parameters, name


def test_a_file_that_cannot_be_loaded_leaves_no_project_behind(tmp_path):
    shop = play(tmp_path, SHOP)
    (shop.folder / "compose.yaml").write_text("services: {web: {imgae: x}}")
    with pytest.raises(InvalidFile):
        shop.stack.up(DETACHED)
    assert shop.world.projects == {}


def test_nothing_is_left_open(tmp_path):
    shop = play(tmp_path, CHAIN)
    shop.world.health["db"] = "healthy"
    shop.stack.up(DETACHED)
    before = set(os.listdir("/proc/self/fd"))
    shop.stack.up(UpOptions(detach=True, force_recreate=True))
    shop.stack.exec(ExecOptions(service="web", command=("true",)))
    assert set(os.listdir("/proc/self/fd")) == before


def test_an_unknown_world_is_empty(tmp_path):
    assert play(tmp_path, SHOP, World()).stack.ps() == ()
