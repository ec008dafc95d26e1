"""D62 and early probes, with virtual time: what is asked when, and what is said."""

import pytest

from runtime.containers.health import (
    Become,
    Began,
    HealthSettings,
    HealthState,
    ProbeAt,
    Probed,
    Resumed,
    advance,
    declared_tcp_ports,
    listening_ports,
    settle,
)
from runtime.values import ContainerOptions, HealthOptions, ImageConfig, PortBinding, ProbeResult


def story(settings: HealthSettings, *results: str) -> str:
    """What happens when each probe answers `ok`, `fail`, `timeout` or `ok but closed`, in SECONDS
    (`ok 0.5`).
    """
    now, told, state = 0.0, [], HealthState()
    state, instructions = advance(settings, state, Began(), now)
    for result in results:
        due = next(one for one in instructions if isinstance(one, ProbeAt))
        now = max(now, due.time)
        words = result.split()
        took = float(words[1]) if len(words) > 1 and words[1][0].isdigit() else 0.0
        begun, now = now, now + took
        probe = ProbeResult(
            started_at=begun,
            ended_at=now,
            exit_code={"ok": 0, "timeout": -1}.get(words[0], 1),
            output="",
        )
        event = Probed(result=probe, early=due.early, ports_listen=words[-1] != "closed")
        state, instructions = advance(settings, state, event, now)
        said = "".join(f": {one.status}" for one in instructions if isinstance(one, Become))
        told.append(f"{begun:g}{' early' if due.early else ''} {result}{said}")
    return "\n".join(told)


def text(block: str) -> str:
    return "\n".join(line.strip() for line in block.strip().splitlines())


PLAIN = HealthSettings(command=("true",), early=False)


def test_the_first_probe_comes_after_one_interval_and_the_next_an_interval_after_its_end():
    assert story(PLAIN, "ok 2", "ok", "ok") == text("""
        30 ok 2: healthy
        62 ok
        92 ok
    """)


def test_three_failures_in_a_row_are_unhealthy_and_one_success_is_enough():
    assert story(PLAIN, "fail", "fail", "ok", "fail", "timeout 30", "fail", "ok") == text("""
        30 fail
        60 fail
        90 ok: healthy
        120 fail
        150 timeout 30
        210 fail: unhealthy
        240 ok: healthy
    """)


def test_within_the_start_period_it_is_asked_more_often_and_failures_do_not_count():
    settings = HealthSettings(command=("true",), start_period=12.0, early=False, retries=1)
    assert story(settings, "fail", "fail", "fail", "fail") == text("""
        5 fail
        10 fail
        15 fail: unhealthy
        45 fail
    """)


def test_once_healthy_a_failure_counts_even_within_the_start_period():
    settings = HealthSettings(
        command=("true",), start_period=60.0, early=False, retries=1, interval=1.0
    )
    assert story(settings, "ok", "fail") == text("""
        5 ok: healthy
        6 fail: unhealthy
    """)


def test_early_probes_come_soon_with_growing_pauses_and_their_failures_do_not_count():
    settings = HealthSettings(command=("true",), interval=1.0, retries=1)
    assert story(settings, "fail", "fail", "fail", "fail", "fail", "fail", "ok 0.1", "ok") == text("""
        0.02 early fail
        0.06 early fail
        0.14 early fail
        0.3 early fail
        0.62 early fail
        1 fail: unhealthy
        2 ok 0.1: healthy
        3.1 ok
    """)


def test_the_first_success_ends_the_early_probes():
    settings = HealthSettings(command=("true",), interval=1.0)
    assert story(settings, "fail", "ok", "ok", "fail") == text("""
        0.02 early fail
        0.06 early ok: healthy
        1.06 ok
        2.06 fail
    """)


def test_a_pause_is_at_least_five_times_what_the_probe_took():
    settings = HealthSettings(command=("true",), interval=30.0)
    assert story(settings, "fail 0.5", "fail 1", "fail 3", "fail") == text("""
        0.02 early fail 0.5
        3.02 early fail 1
        9.02 early fail 3
        27.02 early fail
    """)


def test_an_early_success_counts_only_while_the_declared_ports_listen():
    settings = HealthSettings(command=("true",), interval=1.0)
    assert story(settings, "ok but closed", "ok but closed", "ok", "ok") == text("""
        0.02 early ok but closed
        0.06 early ok but closed
        0.14 early ok: healthy
        1.14 ok
    """)


def test_a_regular_success_counts_whatever_listens():
    settings = HealthSettings(command=("true",), interval=0.05)
    assert story(settings, "ok but closed", "ok but closed") == text("""
        0.02 early ok but closed
        0.05 ok but closed: healthy
    """)


def test_a_probe_that_outlasts_the_next_one_s_time_is_followed_by_it_at_once():
    settings = HealthSettings(command=("true",), interval=1.0)
    assert story(settings, "fail 4", "fail") == text("""
        0.02 early fail 4
        4.02 fail
    """)


def test_a_resumed_container_is_asked_after_a_whole_interval():
    state = HealthState(status="healthy", regular_due=10.0)
    state, instructions = advance(PLAIN, state, Resumed(), 500.0)
    assert instructions == (ProbeAt(time=530.0),)


def test_the_last_five_results_are_kept():
    state, _ = advance(PLAIN, HealthState(), Began(), 0.0)
    for number in range(7):
        result = ProbeResult(
            started_at=number, ended_at=number, exit_code=number, output=str(number)
        )
        state, _ = advance(PLAIN, state, Probed(result=result), float(number))
    assert [one.output for one in state.results] == ["2", "3", "4", "5", "6"]


def test_an_early_failure_is_kept_to_be_seen_and_counts_for_nothing():
    settings = HealthSettings(command=("true",), retries=1)
    state, _ = advance(settings, HealthState(), Began(), 0.0)
    result = ProbeResult(started_at=0.0, ended_at=0.0, exit_code=1, output="not yet")
    state, _ = advance(settings, state, Probed(result=result, early=True), 0.1)
    assert (state.status, state.failing_streak, state.results) == ("starting", 0, (result,))
    unasked = ProbeResult(started_at=0.0, ended_at=0.0, exit_code=125, output="cannot fork")
    state, _ = advance(settings, state, Probed(result=unasked, early=True), 0.2)
    assert state.results == (result,)


def test_own_words_stand_above_the_image_s_and_those_above_docker_s():
    image = ImageConfig(
        healthcheck=HealthOptions(test=("CMD", "a"), interval=7.0, retries=9),
        shell=("/bin/bash", "-c"),
    )
    assert settle(options(interval=2.0, retries=0), image) == HealthSettings(
        command=("a",), interval=2.0, retries=9
    )
    assert settle(options(test=("CMD-SHELL", "x y")), image).command == ("/bin/bash", "-c", "x y")
    assert settle(options(test=("CMD-SHELL", "x")), ImageConfig()).command == ("/bin/sh", "-c", "x")
    assert settle(options(test=("NONE",)), image) is None
    assert settle(options(test=()), image) is None
    assert settle(ContainerOptions(project="p", name="n"), ImageConfig()) is None


def test_who_gives_a_start_interval_gets_no_early_probes():
    assert settle(options(test=("CMD", "a"), start_interval=1.0), ImageConfig()).early is False
    assert settle(options(test=("CMD", "a"), start_interval=0.0), ImageConfig()).early is True


def options(**words) -> ContainerOptions:
    return ContainerOptions(project="p", name="n", healthcheck=HealthOptions(**words))


@pytest.mark.parametrize("text", ["", "http", "a-b", "80-", "-80", "99999", "80/sctp", "1/tcp/x"])
def test_what_is_no_port_of_tcp_is_not_waited_for(text: str):
    given = ContainerOptions(project="p", name="n", expose=(text,))
    assert declared_tcp_ports(given, ImageConfig()) <= {80}


def test_declared_ports_are_those_of_image_expose_and_ports():
    given = ContainerOptions(
        project="p",
        name="n",
        expose=("8000-8002", "53/udp"),
        ports=(PortBinding(container_port=443), PortBinding(container_port=53, protocol="udp")),
    )
    assert declared_tcp_ports(given, ImageConfig(exposed_ports=("5432/tcp",))) == {
        443,
        5432,
        8000,
        8001,
        8002,
    }


HEAD = "  sl  local_address rem_address   st tx_queue\n"


@pytest.mark.parametrize(
    ("line", "ports"),
    [
        ("   0: 00000000:1538 00000000:0000 0A 0:0", {5432}),
        ("   0: 0100007F:1538 00000000:0000 0A 0:0", set()),
        ("   0: 020011AC:1538 00000000:0000 0A 0:0", {5432}),
        ("   0: 00000000:1538 00000000:0000 01 0:0", set()),
        ("   0: 00000000000000000000000000000000:0050 0:0000 0A 0:0", {80}),
        ("   0: 00000000000000000000000001000000:0050 0:0000 0A 0:0", set()),
        ("   0: 0000000000000000FFFF00000100007F:0050 0:0000 0A 0:0", set()),
        ("   0: 0000000000000000FFFF0000020011AC:0050 0:0000 0A 0:0", {80}),
    ],
)
def test_ports_that_listen_where_others_can_reach_them(line, ports):
    assert listening_ports((HEAD + line + "\n", "")) == ports
