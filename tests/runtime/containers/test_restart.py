"""D60, with virtual time: a story of starts and ends, and what follows from each."""

from runtime.containers.restart import (
    Ended,
    RestartState,
    StartAgain,
    Started,
    StartFailed,
    StayDown,
    StopAsked,
    advance,
)
from runtime.values import RestartPolicy


def story(policy: RestartPolicy, *steps: str) -> str:
    """Each step is `start`, `stop`, `fail CODE` or `CODE after SECONDS`; restarts happen when they
    are due.
    """
    state, now, told = RestartState(), 0.0, []
    state, _ = advance(policy, state, Started(), now)
    for step in steps:
        if step in ("start", "stop"):
            event = Started() if step == "start" else StopAsked()
            state, instructions = advance(policy, state, event, now)
        elif step.startswith("fail"):
            state, instructions = advance(
                policy, state, StartFailed(exit_code=int(step.split()[1])), now
            )
        else:
            code, _, seconds = step.partition(" after ")
            now += float(seconds)
            state, instructions = advance(policy, state, Ended(exit_code=int(code)), now)
        told.append(f"{step}: {' '.join(map(say, instructions))}".rstrip(": "))
        for instruction in instructions:
            if isinstance(instruction, StartAgain):
                now += instruction.after
                state, _ = advance(policy, state, Started(by_policy=True), now)
    return "\n".join(told)


def say(instruction) -> str:
    match instruction:
        case StartAgain(after=after):
            return f"start again in {after:g}"
        case StayDown(reason=reason):
            return f"stay down, {reason}"


def text(block: str) -> str:
    return "\n".join(line.strip() for line in block.strip().splitlines())


def test_the_pause_doubles_up_to_a_minute():
    assert story(RestartPolicy(name="always"), *["1 after 0.01"] * 12) == text("""
        1 after 0.01: start again in 0.1
        1 after 0.01: start again in 0.2
        1 after 0.01: start again in 0.4
        1 after 0.01: start again in 0.8
        1 after 0.01: start again in 1.6
        1 after 0.01: start again in 3.2
        1 after 0.01: start again in 6.4
        1 after 0.01: start again in 12.8
        1 after 0.01: start again in 25.6
        1 after 0.01: start again in 51.2
        1 after 0.01: start again in 60
        1 after 0.01: start again in 60
    """)


def test_a_run_of_ten_seconds_begins_the_pauses_anew():
    assert story(
        RestartPolicy(name="always"), "1 after 9.9", "1 after 9.9", "1 after 10", "0 after 1"
    ) == text("""
        1 after 9.9: start again in 0.1
        1 after 9.9: start again in 0.2
        1 after 10: start again in 0.1
        0 after 1: start again in 0.2
    """)


def test_without_a_policy_it_stays_down():
    assert story(RestartPolicy(), "1 after 1") == "1 after 1: stay down, its restart policy is no"


def test_on_failure_minds_the_exit_code_and_counts():
    assert story(
        RestartPolicy(name="on-failure", max_retries=2), "1 after 1", "2 after 1", "3 after 1"
    ) == text("""
        1 after 1: start again in 0.1
        2 after 1: start again in 0.2
        3 after 1: stay down, it was restarted 2 times
    """)
    assert story(RestartPolicy(name="on-failure"), "1 after 1", "0 after 1") == text("""
        1 after 1: start again in 0.1
        0 after 1: stay down, it ended with 0
    """)


def test_a_good_run_does_not_give_the_attempts_back():
    assert story(
        RestartPolicy(name="on-failure", max_retries=1), "1 after 1", "1 after 3600"
    ) == text("""
        1 after 1: start again in 0.1
        1 after 3600: stay down, it was restarted 1 times
    """)


def test_a_start_by_hand_does():
    assert story(
        RestartPolicy(name="on-failure", max_retries=1),
        "1 after 1",
        "1 after 1",
        "start",
        "1 after 1",
    ) == text("""
        1 after 1: start again in 0.1
        1 after 1: stay down, it was restarted 1 times
        start
        1 after 1: start again in 0.1
    """)


def test_what_was_stopped_stays_down_whatever_the_policy():
    for name in ("always", "unless-stopped", "on-failure"):
        assert story(RestartPolicy(name=name), "stop", "143 after 0.1") == text("""
            stop
            143 after 0.1: stay down, it was stopped
        """)


def test_a_failed_start_is_not_tried_again():
    assert (
        story(RestartPolicy(name="always"), "fail 127")
        == "fail 127: stay down, its start failed with 127"
    )


def test_deploy_s_delay_and_window_take_the_place_of_docker_s():
    policy = RestartPolicy(name="on-failure", max_retries=1, delay=5.0, window=2.0)
    assert story(policy, "1 after 1", "1 after 1") == text("""
        1 after 1: start again in 5
        1 after 1: stay down, it was restarted 1 times
    """)
    assert story(policy, "1 after 1", "1 after 2") == text("""
        1 after 1: start again in 5
        1 after 2: start again in 5
    """)
