"""Command, environment, user, folder, limits of the process; and a further process beside it."""

import pytest

from runtime.containers.spec.process import build_exec
from runtime.errors import RuntimeFault
from runtime.values import ExecOptions, Ulimit

from .conftest import HOST

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
IMAGE = {"entrypoint": ("/entry",), "command": ("image", "command")}


def refused(build, **options) -> str:
    with pytest.raises(RuntimeFault) as caught:
        build(**options)
    assert caught.value.code == "E310"
    return str(caught.value)


@pytest.mark.parametrize(
    ("entrypoint", "command", "arguments"),
    [
        (None, None, ["/entry", "image", "command"]),
        (None, ("own",), ["/entry", "own"]),
        (None, (), ["/entry"]),
        (("/own",), None, ["/own"]),
        (("/own",), ("own",), ["/own", "own"]),
        ((), ("own",), ["own"]),
    ],
)
def test_an_entrypoint_puts_the_images_command_out_of_force(build, entrypoint, command, arguments):
    result = build(image_config=IMAGE, entrypoint=entrypoint, command=command)
    assert result.spec["process"]["args"] == arguments


def test_nothing_to_run_is_an_error(build):
    assert refused(build, command=None) == "no command specified"
    assert refused(build, image_config=IMAGE, entrypoint=(), command=None) == "no command specified"


def test_a_nul_character_is_refused_wherever_it_stands(build):
    """L01."""
    for options in ({"command": ("a\0b",)}, {"environment": {"A": "\0"}}, {"working_dir": "/\0"}):
        assert "NUL" in refused(build, **options)


def environment(build, *, image=(), **options) -> list[str]:
    return build(image_config={"environment": image}, **options).spec["process"]["env"]


def test_each_variable_stands_where_it_was_first_named(build):
    """D33."""
    assert environment(
        build,
        image=("A=image", "LANG=C", "PATH=/opt/bin"),
        tty=True,
        environment={"B": "own", "LANG": "de", "TERM": "dumb"},
    ) == ["PATH=/opt/bin", "HOSTNAME=c0ffee000000", "TERM=dumb", "A=image", "LANG=de", "B=own"]


def test_a_variable_without_value_takes_the_images_away(build):
    assert environment(
        build, image=("A=1", "B=2"), environment={"A": None, "PATH": None, "C": None}
    ) == ["HOSTNAME=c0ffee000000", "B=2"]


def test_an_image_cannot_draw_in_a_variable_of_the_engine(build, monkeypatch):
    """V33."""
    monkeypatch.setenv("CANARY", "secret")
    result = build(image_config={"environment": ("CANARY", "*", "=x", "", "A=1")})
    assert result.spec["process"]["env"] == [PATH, "HOSTNAME=c0ffee000000", "A=1"]
    assert (
        result.warnings
        == ("the image has an environment entry that is no NAME=VALUE: it is left out",) * 4
    )


def test_a_name_that_no_variable_can_have_is_refused(build):
    assert (
        refused(build, environment={"": "x"}) == "`` cannot be the name of an environment variable"
    )
    assert refused(build, environment={"A=B": "x"}).startswith("`A=B`")


@pytest.mark.parametrize(
    ("own", "image", "user"),
    [("", "", "0"), ("", "app", "app"), ("1000:1000", "app", "1000:1000"), ("app:", "", "app:")],
)
def test_the_user_stays_text_that_the_init_looks_up(build, own, image, user):
    result = build(image_config={"user": image}, user=own)
    assert result.spec["process"]["user"] == {"username": user}


@pytest.mark.parametrize("user", ["-1", "2147483648", "4294967295", "0:99999999999", "+5"])
def test_an_id_out_of_range_is_refused_and_never_wraps(build, user):
    """V31."""
    assert "is out of range" in refused(build, user=user)
    assert "is out of range" in refused(build, image_config={"user": user})


def test_a_group_out_of_range_is_refused(build):
    assert refused(build, group_add=("audio", "-3")) == "`group_add: -3` is out of range"


def test_the_working_folder_is_the_images_unless_said(build):
    image = {"working_dir": "app"}
    assert build(image_config=image).spec["process"]["cwd"] == "/app"
    assert build(image_config=image, working_dir="/srv").spec["process"]["cwd"] == "/srv"
    assert "not an absolute path" in refused(build, working_dir="srv")


def rlimits(build, *ulimits, **host):
    result = build(host=host, ulimits=ulimits)
    return result.spec["process"]["rlimits"], result.warnings


def test_limits_are_passed_on_and_unlimited_is_minus_one(build):
    wanted = Ulimit(name="memlock", soft=-1, hard=-1), Ulimit(name="nproc", soft=5, hard=9)
    assert rlimits(build, *wanted) == (
        [
            {"type": "RLIMIT_MEMLOCK", "soft": -1, "hard": -1},
            {"type": "RLIMIT_NPROC", "soft": 5, "hard": 9},
        ],
        (),
    )


def test_an_engine_that_may_not_raise_limits_says_so_and_goes_on(build):
    """Section 0."""
    held = HOST.held_capabilities - {"CAP_SYS_RESOURCE"}
    wanted = (
        Ulimit(name="nofile", soft=5000, hard=-1),
        Ulimit(name="nofile", soft=10, hard=4096),
        Ulimit(name="nofile", soft=-1, hard=-1),
    )
    limits, warnings = rlimits(build, *wanted, held_capabilities=held)
    assert [(limit["soft"], limit["hard"]) for limit in limits] == [
        (4096, 4096),
        (10, 4096),
        (4096, 4096),
    ]
    assert (
        warnings
        == ("`ulimits.nofile`: the engine lacks CAP_SYS_RESOURCE, so the hard limit stays at 4096",)
        * 2
    )


def test_a_soft_limit_above_the_hard_one_is_refused(build):
    for soft, hard in ((6, 5), (-1, 5)):
        wanted = (Ulimit(name="core", soft=soft, hard=hard),)
        assert refused(build, ulimits=wanted) == f"`ulimits.core`: soft {soft} is above hard {hard}"


def test_less_than_unlimited_is_no_limit(build):
    wanted = (Ulimit(name="core", soft=-5, hard=-1),)
    assert refused(build, ulimits=wanted) == "`ulimits.core`: -5 is no limit"


def test_a_limit_that_does_not_exist_is_refused(build):
    assert "no resource limit" in refused(build, ulimits=(Ulimit(name="files", soft=1, hard=1),))


def test_a_protected_engine_does_not_pass_its_protection_on(build):
    assert build(host={"oom_score_adj": -900}).spec["process"]["oomScoreAdj"] == 0
    assert "oomScoreAdj" not in build(host={"oom_score_adj": 200}).spec["process"]
    assert refused(build, oom_score_adj=1001) == "`oom_score_adj: 1001` is out of range"


def test_a_reaper_needs_a_pid_namespace_of_its_own(build):
    """L62."""
    result = build(init=True, pid="host")
    assert "reaper" not in result.spec["process"]
    assert result.warnings == ("`init` has no effect without a pid namespace of its own",)


def test_a_further_process_takes_over_what_is_not_said(build):
    container = build(
        user="app",
        group_add=("audio",),
        working_dir="/srv",
        environment={"A": "1"},
        ulimits=(Ulimit(name="core", soft=0, hard=0),),
        oom_score_adj=5,
        security_opt=("no-new-privileges",),
        init=True,
    ).spec["process"]
    made = build_exec(container, ExecOptions(command=("sh",)), HOST)
    assert made == {
        "terminal": False,
        "user": {"username": "app", "additionalGroups": ["audio"]},
        "args": ["sh"],
        "env": [PATH, "HOSTNAME=c0ffee000000", "A=1"],
        "cwd": "/srv",
        "noNewPrivileges": True,
        "capabilities": container["capabilities"],
        "rlimits": container["rlimits"],
        "oomScoreAdj": 5,
    }


def test_a_further_process_can_be_somebody_else_elsewhere(build):
    container = build(user="app").spec["process"]
    options = ExecOptions(
        command=("sh", "-l"),
        user="0:0",
        working_dir="/",
        tty=True,
        environment={"A": "2", "PATH": "/bin"},
        privileged=True,
    )
    made = build_exec(container, options, HOST)
    assert made["user"] == {"username": "0:0"}
    assert made["env"] == ["PATH=/bin", "HOSTNAME=c0ffee000000", "TERM=xterm", "A=2"]
    assert made["terminal"]
    assert made["capabilities"]["bounding"] == list(HOST.known_capabilities)
    assert container["user"] == {"username": "app"}


def test_a_further_process_needs_a_command_and_a_user_in_range(build):
    container = build().spec["process"]
    for options in (ExecOptions(command=()), ExecOptions(command=("sh",), user="-1")):
        with pytest.raises(RuntimeFault):
            build_exec(container, options, HOST)
