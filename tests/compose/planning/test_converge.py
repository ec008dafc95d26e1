"""What `up` would do, as whole plans. `before` is a stack that is up; `states` what became of it."""

import pytest

from compose.errors import ComposeError, NotFound
from tests.fakes.plans import plan

WEB = "services: {web: {image: nginx:1, environment: {DEBUG: '1'}}}"


def test_a_first_up_makes_networks_images_and_containers_and_starts_them_in_order():
    assert (
        plan(
            """
            services:
              web: {image: nginx:1, depends_on: {db: {condition: service_healthy}}}
              db: {image: pg, healthcheck: pg_isready, volumes: ["data:/var/lib/pg"]}
            volumes: {data: {}}
            """,
            images=("pg",),
        )
        == """
            1            pull nginx:1              needed by web
            2  <- 1      create network p_default
            3  <- 1      create volume p_data
            4  <- 2,3    create db-1
            5  <- 1,2    create web-1
            6  <- 2,4    start db-1
            7  <- 6      wait until db is healthy  needed by web
            8  <- 2,5,7  start web-1
        """
    )


def test_networks_and_volumes_that_no_service_uses_are_made_on_request_alone():
    text = "{services: {web: {image: host, networks: [a]}}, networks: {a: , b: }, volumes: {v: }}"
    few = """
            1          create network p_a
            2  <- 1    create web-1
            3  <- 1,2  start web-1
        """
    everything = """
            1          create network p_a
            2          create network p_b
            3          create volume p_v
            4  <- 1    create web-1
            5  <- 1,4  start web-1
        """
    assert plan(text, images=("host",)) == few
    assert plan(text, images=("host",), all_resources=True) == everything


def test_an_unchanged_stack_needs_nothing():
    assert plan(WEB, before=WEB) == ""


def test_a_changed_variable_recreates_the_container_and_is_named_without_its_value():
    assert (
        plan(WEB.replace("'1'", "'secret'"), before=WEB)
        == """
            1        create web-1  environment.DEBUG changed
            2  <- 1  stop web-1    replaced
            3  <- 2  remove web-1  replaced
            4  <- 3  rename web-1  replaced
            5  <- 4  start web-1
        """
    )


def test_a_changed_image_recreates_the_container_after_the_pull():
    assert (
        plan(WEB.replace("nginx:1", "nginx:2"), before=WEB, images=("nginx:1",))
        == """
            1        pull nginx:2  image of web changed: nginx:1 -> nginx:2
            2  <- 1  create web-1  image of web changed: nginx:1 -> nginx:2
            3  <- 2  stop web-1    replaced
            4  <- 3  remove web-1  replaced
            5  <- 4  rename web-1  replaced
            6  <- 5  start web-1
        """
    )


def test_many_changes_are_counted():
    now = "services: {web: {image: a, user: b, hostname: c, working_dir: /d, read_only: true}}"
    assert (
        plan(now, before="services: {web: {image: a}}")
        == """
            1        create web-1  hostname added, read_only added, user added and 1 more
            2  <- 1  stop web-1    replaced
            3  <- 2  remove web-1  replaced
            4  <- 3  rename web-1  replaced
            5  <- 4  start web-1
        """
    )


def test_a_container_that_ended_is_started_again_when_nothing_changed():
    assert (
        plan(WEB, before=WEB, states="web-1 exited 1")
        == """
            1    start web-1
        """
    )


def test_a_paused_container_goes_on():
    assert (
        plan(WEB, before=WEB, states="web-1 paused")
        == """
            1    unpause web-1
        """
    )


def test_create_starts_nothing():
    assert (
        plan(WEB, create=True)
        == """
            1        create network p_default
            2  <- 1  create web-1
        """
    )


def test_no_start_is_create():
    assert plan(WEB, before=WEB, states="web-1 exited 0", no_start=True) == ""


# --- policies


def test_force_recreate_replaces_what_is_up_to_date():
    assert (
        plan(WEB, before=WEB, force_recreate=True)
        == """
            1        create web-1  forced
            2  <- 1  stop web-1    replaced
            3  <- 2  remove web-1  replaced
            4  <- 3  rename web-1  replaced
            5  <- 4  start web-1
        """
    )


def test_no_recreate_leaves_what_has_changed():
    assert plan(WEB.replace("'1'", "'0'"), before=WEB, no_recreate=True) == ""


TWO = "services: {web: {image: w, depends_on: [db]}, db: {image: pg}}"


def test_force_recreate_of_a_named_service_spares_its_dependencies():
    assert (
        plan(TWO, before=TWO, force_recreate=True, services=("web",))
        == """
            1        create web-1  forced
            2  <- 1  stop web-1    replaced
            3  <- 2  remove web-1  replaced
            4  <- 3  rename web-1  replaced
            5  <- 4  start web-1
        """
    )


def test_always_recreate_deps_replaces_dependencies_too():
    now = plan(TWO, before=TWO, always_recreate_deps=True, services=("web",))
    assert (
        now
        == """
            1        create db-1  forced
            2  <- 1  stop db-1    replaced
            3  <- 2  remove db-1  replaced
            4  <- 3  rename db-1  replaced
            5  <- 4  start db-1
        """
    )


def test_a_named_service_brings_its_dependencies():
    assert (
        plan(TWO + "\n", services=("web",), images=("w", "pg"))
        == """
            1            create network p_default
            2  <- 1      create db-1
            3  <- 1      create web-1
            4  <- 1,2    start db-1
            5  <- 1,3,4  start web-1
        """
    )


def test_no_deps_leaves_dependencies_alone():
    assert (
        plan(TWO, services=("web",), no_deps=True)
        == """
            1          create network p_default
            2  <- 1    create web-1
            3  <- 1,2  start web-1
        """
    )


def test_an_unknown_service_is_refused():
    with pytest.raises(NotFound, match="no such service: wbe"):
        plan(WEB, services=("wbe",))


def test_renewing_anonymous_volumes_does_not_change_the_plan_but_what_is_inherited():
    from tests.fakes.plans import made_plan

    kept = next(iter(made_plan(WEB, before=WEB, force_recreate=True)))
    renewed = next(iter(made_plan(WEB, before=WEB, force_recreate=True, renew_anon_volumes=True)))
    assert (kept.inherit, renewed.inherit) == (True, False)


# --- replicas

THREE = "services: {web: {image: w, scale: 3}}"


def test_scaling_up_adds_numbers_and_leaves_the_others():
    assert (
        plan(THREE, before=THREE, scale={"web": 4})
        == """
            1        create web-4
            2  <- 1  start web-4
        """
    )


def test_scaling_down_takes_the_highest_numbers():
    assert (
        plan(THREE, before=THREE, scale={"web": 1})
        == """
            1        stop web-3    1 wanted
            2  <- 1  remove web-3  1 wanted
            3        stop web-2    1 wanted
            4  <- 3  remove web-2  1 wanted
        """
    )


def test_scaling_down_takes_what_is_out_of_date_first():
    stale = "web-1 running of web"
    assert (
        plan(THREE, before=THREE, states=f"web-1 absent\n{stale}", scale={"web": 2})
        == """
            1        stop web-1    2 wanted
            2  <- 1  remove web-1  2 wanted
        """
    )


def test_a_scale_of_nothing_removes_the_containers():
    assert (
        plan("services: {web: {image: w, scale: 0}}", before="services: {web: {image: w}}")
        == """
            1        stop web-1    0 wanted
            2  <- 1  remove web-1  0 wanted
        """
    )


def test_a_service_with_a_name_of_its_own_has_one_replica():
    with pytest.raises(ComposeError, match="cannot have 2 replicas"):
        plan("services: {web: {image: w, container_name: shop}}", scale={"web": 2})


def test_a_replacement_that_a_killed_command_left_is_put_in_place():
    now = plan(
        "services: {web: {image: w}}",
        before="services: {web: {image: w, container_name: abc_p-web-1}}",
    )
    assert "rename" in now


# --- dependencies

CHAIN = """
services:
  db: {image: pg}
  api: {depends_on: {db: {restart: true}}}
  web: {depends_on: {api: {restart: true}}}
"""


def test_restart_true_stops_dependents_before_and_starts_them_after_a_recreation():
    assert (
        plan(CHAIN.replace("{image: pg}", "{image: pg, user: x}"), before=CHAIN)
        == """
            1          create db-1  user added
            2          stop web-1   api is restarted
            3  <- 2    stop api-1   db is recreated
            4  <- 1,3  stop db-1    replaced
            5  <- 4    remove db-1  replaced
            6  <- 5    rename db-1  replaced
            7  <- 6    start db-1
            8  <- 3,7  start api-1
            9  <- 2,8  start web-1
        """
    )


def test_who_shares_a_namespace_is_recreated_with_its_owner():
    before = "services: {vpn: {image: v}, app: {network_mode: 'service:vpn'}}"
    assert (
        plan(before.replace("image: v", "image: v, user: x"), before=before)
        == """
            1           create vpn-1  user added
            2   <- 1    create app-1  vpn, whose network namespace it shares, is recreated
            3   <- 2    stop app-1    replaced
            4   <- 3    remove app-1  replaced
            5   <- 1,4  stop vpn-1    replaced
            6   <- 5    remove vpn-1  replaced
            7   <- 6    rename vpn-1  replaced
            8   <- 4    rename app-1  replaced
            9   <- 7    start vpn-1
            10  <- 8,9  start app-1
        """
    )


def test_a_namespace_of_a_container_that_is_not_there_any_more_is_joined_anew():
    stack = "services: {vpn: {image: v}, app: {network_mode: 'service:vpn'}}"
    now = plan(
        stack,
        before=stack,
        states="vpn-1 absent\nvpn-1 running of vpn",
        services=("app",),
        no_deps=True,
    )
    assert "vpn, whose network namespace it shares" not in now or "was recreated" in now


def test_no_deps_without_the_container_whose_namespace_is_shared_is_refused():
    with pytest.raises(
        ComposeError, match="cannot share network namespace with service vpn: container missing"
    ):
        plan(
            "services: {vpn: {image: v}, app: {network_mode: 'service:vpn'}}",
            services=("app",),
            no_deps=True,
        )


def test_an_optional_dependency_is_marked():
    assert (
        plan(
            "services: {db: {healthcheck: x}, web: {depends_on: {db: {condition: service_healthy, required: false}}}}"
        )
        == """
            1             create network p_default
            2  <- 1       create db-1
            3  <- 1       create web-1
            4  <- 1,2     start db-1
            5  <- 4       wait until db is healthy  needed by web
            6  <- 1,3,5?  start web-1
        """
    )


def test_what_is_healthy_already_is_not_waited_for():
    stack = (
        "services: {db: {healthcheck: x}, web: {depends_on: {db: {condition: service_healthy}}}}"
    )
    assert (
        plan(stack, before=stack, states="web-1 exited 1")
        == """
            1    start web-1
        """
    )


def test_two_who_wait_for_the_same_share_the_wait():
    assert (
        plan(
            """
        services:
          db: {healthcheck: x}
          a: {depends_on: {db: {condition: service_healthy}}}
          b: {depends_on: {db: {condition: service_healthy}}}
        """
        )
        == """
            1            create network p_default
            2  <- 1      create db-1
            3  <- 1      create a-1
            4  <- 1      create b-1
            5  <- 1,2    start db-1
            6  <- 5      wait until db is healthy  needed by a, b
            7  <- 1,3,6  start a-1
            8  <- 1,4,6  start b-1
        """
    )


# --- one-shots

JOB = "services: {job: {}, app: {depends_on: {job: {condition: service_completed_successfully}}}}"


def test_a_one_shot_that_ended_with_0_does_not_run_beside_the_application_that_used_it():
    assert plan(JOB, before=JOB, states="job-1 exited 0") == ""


def test_a_one_shot_runs_again_when_somebody_who_waits_for_it_starts():
    assert (
        plan(JOB, before=JOB, states="job-1 exited 0\napp-1 exited 1")
        == """
            1        start job-1
            2  <- 1  wait until job is completed  needed by app
            3  <- 2  start app-1
        """
    )


def test_a_one_shot_runs_again_when_it_is_named():
    assert (
        plan(JOB, before=JOB, states="job-1 exited 0", services=("job",))
        == """
            1    start job-1
        """
    )


def test_a_one_shot_that_failed_runs_again():
    assert (
        plan(JOB, before=JOB, states="job-1 exited 2")
        == """
            1    start job-1
        """
    )


def test_a_service_that_nobody_waits_for_runs_again_even_when_it_ended_with_0():
    assert (
        plan("services: {job: {}}", before="services: {job: {}}", states="job-1 exited 0")
        == """
            1    start job-1
        """
    )


# --- waiting for the caller


def test_wait_waits_for_every_service_by_its_kind():
    assert (
        plan(JOB, wait=True)
        == """
            1            create network p_default
            2  <- 1      create job-1
            3  <- 1      create app-1
            4  <- 1,2    start job-1
            5  <- 4      wait until job is completed      needed by app
            6  <- 1,3,5  start app-1
            7  <- 6      wait until app is ready or done  --wait
        """
    )


def test_wait_has_nothing_to_wait_for_when_all_is_ready():
    assert plan(JOB, before=JOB, states="job-1 exited 0", wait=True) == ""


def test_wait_waits_for_a_check_that_is_under_way():
    stack = "services: {db: {healthcheck: x}}"
    assert (
        plan(stack, before=stack, states="db-1 running starting", wait=True)
        == """
            1    wait until db is ready or done  --wait
        """
    )


# --- orphans

OLD = "services: {a: {}, old: {}}"


def test_orphans_are_named_in_dockers_words():
    assert (
        plan("services: {a: {}}", before=OLD)
        == """
            warning: Found orphan containers ([p-old-1]) for this project. If you removed or renamed this service in your compose file, you can run this command with the --remove-orphans flag to clean it up.
        """
    )


def test_orphans_are_removed_on_wish():
    assert (
        plan("services: {a: {}}", before=OLD, remove_orphans=True)
        == """
            1        stop old-1    orphan
            2  <- 1  remove old-1  orphan
        """
    )


def test_orphans_can_be_ignored():
    assert plan("services: {a: {}}", before=OLD, ignore_orphans=True) == ""


def test_a_service_that_a_profile_turns_off_leaves_no_orphan():
    assert plan("services: {a: {}, old: {profiles: [x]}}", before=OLD) == ""


def test_a_one_off_is_an_orphan_once_it_has_ended():
    running = "a-run-1 running one-off of a"
    assert plan("services: {a: {}}", before="services: {a: {}}", states=running) == ""
    ended = running.replace("running", "exited")
    now = plan("services: {a: {}}", before="services: {a: {}}", states=ended, remove_orphans=True)
    assert (
        now
        == """
            1    remove a-run-1  orphan
        """
    )


# --- networks and volumes


def test_a_changed_network_is_made_anew_between_its_containers():
    now = "services: {a: {}}\nnetworks: {default: {internal: true}}"
    assert (
        plan(now, before="services: {a: {}}")
        == """
            1          create a-1                network p_default: internal changed
            2  <- 1    stop a-1                  replaced
            3  <- 2    remove a-1                replaced
            4  <- 3    remove network p_default  internal changed
            5  <- 4    create network p_default  internal changed
            6  <- 3    rename a-1                replaced
            7  <- 5,6  start a-1
        """
    )


def test_a_changed_network_stays_while_others_use_it():
    before = "services: {a: {}, b: {}}"
    now = before + "\nnetworks: {default: {internal: true}}"
    assert (
        plan(now, before=before, services=("a",))
        == """
            warning: network p_default is not as declared any more (internal changed), but containers that this command leaves alone are on it; run `up` for the whole project
        """
    )


def test_a_missing_external_network_is_an_error():
    with pytest.raises(
        ComposeError, match="network shared declared as external, but could not be found"
    ):
        plan(
            "services: {a: {networks: [shared]}}\nnetworks: {shared: {name: shared, external: true}}"
        )


VOLUME = "services: {a: {volumes: ['d:/d']}}\nvolumes: {d: {}}"


def test_a_changed_volume_keeps_its_data():
    assert (
        plan(VOLUME.replace("d: {}", "d: {driver_opts: {type: tmpfs}}"), before=VOLUME)
        == """
            warning: volume "p_d" is not as declared any more (driver_opts changed) and stays as it is; with `-y` it is recreated, and its data is lost
        """
    )


def test_a_changed_volume_is_made_anew_with_consent():
    now = VOLUME.replace("d: {}", "d: {driver_opts: {type: tmpfs}}")
    assert (
        plan(now, before=VOLUME, yes=True)
        == """
            1        stop a-1           volume p_d: driver_opts changed
            2  <- 1  remove a-1         volume p_d: driver_opts changed
            3  <- 2  remove volume p_d  driver_opts changed
            4  <- 3  create volume p_d  driver_opts changed
            5  <- 4  create a-1         volume p_d: driver_opts changed
            6  <- 5  start a-1
        """
    )


def test_a_missing_external_volume_is_an_error():
    with pytest.raises(ComposeError, match="volume v declared as external, but could not be found"):
        plan("services: {a: {volumes: ['v:/v']}}\nvolumes: {v: {name: v, external: true}}")


# --- hooks


def test_hooks_stand_around_start_and_stop():
    now = "services: {a: {post_start: [[x]], pre_stop: [[y]], pre_start: [[z]]}}"
    assert (
        plan(now, before=now, force_recreate=True)
        == """
            1          create a-1             forced
            2  <- 1    run pre_stop of a-1
            3  <- 2    stop a-1               replaced
            4  <- 3    remove a-1             replaced
            5  <- 4    rename a-1             replaced
            6  <- 5    run pre_start of a-1
            7  <- 5,6  start a-1
            8  <- 7    run post_start of a-1
        """
    )


def test_pre_start_does_not_run_while_a_replica_runs():
    stack = "services: {a: {pre_start: [[z]], scale: 2}}"
    assert (
        plan(stack, before=stack, states="a-2 exited 1")
        == """
            1    start a-2
        """
    )
