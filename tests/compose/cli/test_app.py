"""The command line as a whole: root flags, help, what cannot be understood, errors, variables."""

import json

import pytest

from compose.cli import app, verbs
from compose.cli.flags import read_signature
from compose.errors import ActionFailed, ComposeError, Fault, Interrupted, InvalidFile, NotFound
from compose.position import File, Position
from runtime.errors import RuntimeFault
from tests.fakes.stack import FakeDoors, FakeStack, container


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path):
    """No COMPOSE_* of the machine, and a folder without a .env."""
    import os

    for name in list(os.environ):
        if name.startswith(("COMPOSE_", "PYCOMPOSE_", "DOCKER_", "BUILDKIT_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


class Ran:
    def __init__(self, code: int, doors: FakeDoors, captured) -> None:
        self.code, self.doors = code, doors
        self.out, self.err = captured.out, captured.err


@pytest.fixture
def run(capsys):
    def run_line(line: str, stack: FakeStack | None = None, *, root: bool = True) -> Ran:
        doors = FakeDoors(stack=stack, root=root)
        code = app.run(line.split(), program="/usr/local/bin/pycompose", doors=doors)
        return Ran(code, doors, capsys.readouterr())

    return run_line


def failing(error: BaseException) -> FakeStack:
    stack = FakeStack()
    stack.error = error
    return stack


# ---- what cannot be understood ----


def test_an_unknown_verb_gets_the_nearest_one(run):
    ran = run("lgos")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        'unknown command "lgos" for "pycompose"\n'
        "hint: did you mean `logs`?\n"
        "\n"
        "Run 'pycompose --help' for the list of commands\n"
    )


def test_an_unknown_verb_of_a_group_is_named_whole(run):
    assert run("network crate").err == (
        'unknown command "crate" for "pycompose network"\n'
        "hint: did you mean `create`?\n"
        "\n"
        "Run 'pycompose network --help' for the list of commands\n"
    )


@pytest.mark.parametrize("verb", ["../up", "__init__", "os", "commands.up", "up.py", "_x", "é"])
def test_a_verb_is_nothing_but_a_file_of_the_folder(run, verb: str):
    assert run(verb).err.startswith(f'unknown command "{verb}" for "pycompose"')


def test_an_unknown_flag_gets_the_nearest_one_and_the_usage(run):
    assert run("up --detahc").err == (
        "unknown flag: --detahc\n"
        "hint: did you mean `--detach`?\n"
        "\n"
        "Usage:  pycompose up [OPTIONS] [SERVICE...]\n"
        "\n"
        "Run 'pycompose up --help' for more information\n"
    )


def test_a_root_flag_behind_the_verb_is_told_its_place(run):
    assert run("up -f other.yaml").err.splitlines()[:2] == [
        "unknown shorthand flag: 'f' in -f",
        "hint: `-f` stands before the verb: pycompose -f ... up",
    ]


def test_too_few_words_are_counted(run):
    ran = run("exec web")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "requires at least 2 arg(s), only received 1")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--progress=fancy ps", 'unsupported --progress value "fancy"'),
        ("--ansi=never --progress=tty ps", "can't use --progress tty while ANSI support is disabled"),
        ("--ansi=always --progress=plain ps", "can't use --progress plain while ANSI support is forced"),
        ("--ansi=pink ps", 'unsupported --ansi value "pink"'),
        ("up --wait --attach web", UP := "--wait cannot be combined with --abort-on-container-exit,"
         " --abort-on-container-failure, --attach, --attach-dependencies or --watch"),
        ("up --wait --exit-code-from web", UP),
        ("up -d --abort-on-container-exit", UP.replace("--wait", "--detach", 1)),
        ("up -d --watch", UP.replace("--wait", "--detach", 1)),
        ("up --build --no-build", "--build and --no-build are incompatible"),
        ("up --no-build --watch", "--no-build and --watch are incompatible"),
        ("up --force-recreate --no-recreate", "--force-recreate and --no-recreate are incompatible"),
        ("up --always-recreate-deps --no-recreate", "--always-recreate-deps and --no-recreate are incompatible"),
        ("up -V --no-recreate", "--no-recreate and --renew-anon-volumes are incompatible"),
        ("up --attach web --attach-dependencies", "cannot combine --attach and --attach-dependencies"),
        ("up --abort-on-container-exit --abort-on-container-failure",
         "--abort-on-container-failure cannot be combined with --abort-on-container-exit"),
        ("up --wait --wait-timeout=-1", "--wait-timeout must be a non-negative integer"),
        ("up --scale web", 'invalid --scale option "web". Should be SERVICE=NUM'),
        ("up --scale web=many", 'invalid --scale option "web=many": "many" is no number of replicas'),
        ("up --pull often", 'invalid --pull option "often"'),
        ("create --build --no-build", "--build and --no-build are incompatible"),
        ("create --force-recreate --no-recreate", "--force-recreate and --no-recreate are incompatible"),
        ("down --rmi some", 'invalid value for --rmi: "some"'),
        ("scale web", "invalid scale specifier: web"),
        ("scale web=x", "invalid scale specifier: can't parse replica value as int: web=x"),
        ("logs --index 2", "--index requires one service to be selected"),
        ("logs --tail few", 'invalid --tail value "few": neither a number nor "all"'),
        ("ps --filter running", "arguments to --filter should be in form KEY=VAL"),
        ("ps --filter color=red", "unknown filter color"),
        ("port web http", 'invalid port "http": a number up to 65535 is needed'),
        ("port web 65536", 'invalid port "65536": a number up to 65535 is needed'),
        ("run -p 80 -P web", "--service-ports and --publish are incompatible"),
        ("run --tty --no-tty web", "--tty and --no-tty can't be used together"),
        ("run --label nothing web", "label must be set as KEY=VALUE"),
        ("start --wait-timeout=-1", "--wait-timeout must be a non-negative integer"),
    ],
)  # fmt: skip
def test_flags_that_contradict_are_refused_in_dockers_words(run, line: str, message: str):
    ran = run(line)
    assert (ran.code, ran.out, ran.err, ran.doors.calls) == (1, "", f"{message}\n", [])


def test_remove_and_ignore_orphans_contradict(run, monkeypatch):
    monkeypatch.setenv("COMPOSE_IGNORE_ORPHANS", "true")
    assert (
        run("up --remove-orphans").err
        == "cannot combine COMPOSE_IGNORE_ORPHANS and --remove-orphans\n"
    )


# ---- help ----


def test_root_help_lists_every_verb_with_its_summary(run):
    out = run("--help").out
    assert out.startswith("Usage: pycompose [OPTIONS] COMMAND\n")
    for verb in verbs.names():
        assert f"\n  {verb}" in out


@pytest.mark.parametrize("line", ["", "--help", "-h"])
def test_help_without_a_verb_is_data(run, line: str):
    ran = run(line)
    assert (ran.code, ran.err) == (0, "")


def test_help_of_a_verb(run):
    assert run("pause --help").out == (
        "Usage: pycompose pause [SERVICE...]\n"
        "\n"
        "  Pause the containers of services.\n"
        "\n"
        "Options:\n"
        "  --dry-run  say what would be done, do nothing\n"
    )


def test_help_of_a_group(run):
    assert run("volume").out.splitlines() == [
        "Usage: pycompose volume COMMAND",
        "",
        "  Volumes of this machine, those of no project too",
        "",
        "Commands:",
        "  create   Create a volume that files can name as external",
        "  inspect  Print all that is known about volumes, as JSON",
        "  ls       List volumes",
        "  prune    Remove the anonymous volumes that nobody uses",
        "  rm       Remove volumes that nobody uses",
        "",
        "  `pycompose volume COMMAND --help` tells more about a command",
    ]


def test_a_verb_of_docker_compose_that_is_not_there_says_what_to_do_instead(run):
    ran = run("watch")
    assert (ran.code, ran.err) == (
        1,
        "`watch` of Docker Compose is not there in this version\n"
        "hint: mount the sources under `volumes`: changes are seen at once\n",
    )
    assert [verb for verb in verbs.NOT_YET if verb in verbs.names()] == []


def test_help_is_wrapped_to_a_narrow_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    lines = run("logs --help").out.splitlines()
    assert max(map(len, lines)) <= 40
    assert "--no-log-prefix" in " ".join(lines)


@pytest.mark.parametrize("verb", verbs.names())
def test_every_verb_has_help_with_a_text_for_each_flag(run, verb: str):
    ran = run(f"{verb} --help")
    assert (ran.code, ran.err) == (0, "")
    if not verbs.is_group(verb):
        flags = [one.flag for one in read_signature(verbs.load(verb).command).flags]
        assert [flag.long for flag in flags if not flag.hidden and not flag.help] == []
        assert all(flag.long in ran.out for flag in flags if not flag.hidden)


# ---- root flags and variables ----


def test_root_flags_reach_the_stack(run, tmp_path):
    ran = run(
        "-f a.yaml -f b.yaml -p shop --profile x --env-file e --project-directory d --parallel 3"
        " --compatibility --dry-run --all-resources --progress=quiet stop"
    )
    options = ran.doors.options
    assert (options.files, options.project_name, options.profiles) == (
        ("a.yaml", "b.yaml"),
        "shop",
        ("x",),
    )
    assert (options.env_files, options.project_directory) == ((str(tmp_path / "e"),), "d")
    assert (options.parallel, options.compatibility, options.dry_run, options.all_resources) == (
        3,
        True,
        True,
        True,
    )


def test_dry_run_may_stand_behind_the_verb(run):
    assert run("stop --dry-run").doors.options.dry_run is True


def test_workdir_is_the_old_name_of_project_directory(run):
    assert run("--workdir d stop").doors.options.project_directory == "d"
    assert run("--workdir d --project-directory e stop").code == 1


def test_docker_s_own_root_flags_are_taken_and_ignored(run):
    assert run("-H unix:///x -c default -l debug --tls --tlsverify --tlscacert a stop").code == 0


def test_version_flag(run):
    assert run("--version").out.startswith("Docker Compose version v")


@pytest.mark.parametrize(
    ("name", "value", "line", "expected"),
    [
        ("COMPOSE_PARALLEL_LIMIT", "7", "stop", ("parallel", 7)),
        ("COMPOSE_PARALLEL_LIMIT", "7", "--parallel 2 stop", ("parallel", 2)),
        ("COMPOSE_ENV_FILES", "/a,/b", "stop", ("env_files", ("/a", "/b"))),
        ("COMPOSE_COMPATIBILITY", "1", "stop", ("compatibility", True)),
    ],
)
def test_variables_stand_in_for_flags(run, monkeypatch, name, value, line, expected):
    monkeypatch.setenv(name, value)
    assert getattr(run(line).doors.options, expected[0]) == expected[1]


def test_a_parallel_limit_that_is_no_number_is_named(run, monkeypatch):
    monkeypatch.setenv("COMPOSE_PARALLEL_LIMIT", "many")
    assert run("stop").err == 'COMPOSE_PARALLEL_LIMIT must be an integer (found: "many")\n'


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("up -d", "up UpOptions(remove_orphans=True, detach=True)"),
        ("up -d --remove-orphans=false", "up UpOptions(detach=True)"),
        ("down", "down DownOptions(remove_orphans=True)"),
        ("kill", "kill KillOptions(remove_orphans=True)"),
    ],
)
def test_orphans_go_when_the_variable_says_so(run, monkeypatch, line, call):
    monkeypatch.setenv("COMPOSE_REMOVE_ORPHANS", "true")
    assert run(line).doors.calls == [call]


def test_a_env_file_sets_compose_variables_and_the_shell_wins(run, monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("COMPOSE_REMOVE_ORPHANS=1\nCOMPOSE_PARALLEL_LIMIT=7\nOTHER=x\n")
    monkeypatch.setenv("COMPOSE_PARALLEL_LIMIT", "2")
    ran = run("down")
    assert ran.doors.calls == ["down DownOptions(remove_orphans=True)"]
    assert ran.doors.options.parallel == 2
    assert "OTHER" not in ran.doors.options.environment


def test_a_env_file_that_cannot_be_read_is_left_to_the_loader(run, tmp_path):
    (tmp_path / ".env").write_bytes(b"COMPOSE_REMOVE_ORPHANS=\xff\n")
    assert run("down").doors.calls == ["down DownOptions()"]


# ---- without root ----


def test_without_root_the_sudo_line_is_named(run, monkeypatch):
    monkeypatch.setenv("COMPOSE_FILE", "secret.yaml")
    ran = run("up -d web", root=False)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error E701: `up` needs root, whose the containers are\n"
        "hint: sudo --preserve-env=COMPOSE_FILE /usr/local/bin/pycompose up -d web\n"
    )


@pytest.mark.parametrize(
    "line", ["version", "--help", "up --help", "completion bash", "__complete u"]
)
def test_some_verbs_need_no_root(run, line: str):
    assert run(line, root=False).code == 0


# ---- errors ----


def test_an_error_in_a_file_shows_the_place(run):
    text = "services:\n  web:\n    enviroment: {}\n"
    where = Position(File("compose.yaml", text), 3, 5)
    fault = Fault(
        "E031",
        "unknown attribute `enviroment`",
        where=where,
        path=("services", "web", "enviroment"),
        hint="did you mean `environment`?",
    )
    ran = run("up", failing(InvalidFile(fault)))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "compose.yaml:3:5: error E031: unknown attribute `enviroment`\n"
        "  3 |     enviroment: {}\n"
        "    |     ^^^^^^^^^^\n"
        "   at services.web.enviroment\n"
        "hint: did you mean `environment`?\n"
    )


def test_an_error_of_the_engine_says_what_was_tried(run):
    fault = RuntimeFault(
        "web-1: cannot mount its root file system",
        code="E412",
        tried="overlay on /run/x, 4 layers",
        answered="EINVAL (mount)",
        hint="set PYCOMPOSE_ROOT to a directory on a disk",
    )
    assert run("up", failing(fault)).err == (
        "error E412: web-1: cannot mount its root file system\n"
        "tried:    overlay on /run/x, 4 layers\n"
        "answered: EINVAL (mount)\n"
        "hint: set PYCOMPOSE_ROOT to a directory on a disk\n"
    )


def test_a_failed_action_shows_its_details_before_the_hint(run):
    error = ActionFailed(
        "dependency failed to start: container shop-db-1 exited (1)",
        code="E251",
        details=["the last lines of shop-db-1:", "  | no space left"],
        hint="make room",
        exit_code=1,
    )
    assert run("up -d", failing(error)).err == (
        "error E251: dependency failed to start: container shop-db-1 exited (1)\n"
        "the last lines of shop-db-1:\n"
        "  | no space left\n"
        "hint: make room\n"
    )


def test_json_progress_makes_the_error_an_object(run):
    ran = run("--progress=json up", failing(NotFound("no such service: wb", code="E201")))
    assert json.loads(ran.err) == {
        "error": True,
        "message": "no such service: wb",
        "code": "E201",
    }


def test_a_defect_is_no_traceback(run):
    ran = run("up", failing(ZeroDivisionError("division by zero")))
    assert ran.code == 1
    assert ran.err == (
        "error E799: a defect of pycompose: ZeroDivisionError: division by zero\n"
        "hint: call it again with `--debug` before the verb and report what it prints\n"
    )


def test_debug_shows_the_traceback(run):
    err = run("--debug up", failing(ZeroDivisionError("division by zero"))).err
    assert "Traceback" in err
    assert "error E799" in err


def test_a_group_of_errors_is_reported_by_its_first(run):
    group = ExceptionGroup(
        "x", [ExceptionGroup("y", [NotFound("no such service: a", code="E201")])]
    )
    assert run("up", failing(group)).err == "error E201: no such service: a\n"


def test_an_interrupt_ends_with_130_and_no_report(run):
    ran = run("stop", failing(KeyboardInterrupt()))
    assert (ran.code, ran.err) == (130, "")


def test_a_cancelled_verb_says_so_and_ends_with_130(run):
    ran = run("stop", failing(Interrupted("operation cancelled by user", code="E290")))
    assert (ran.code, ran.err) == (130, "operation cancelled by user\n")


def test_an_error_s_own_exit_code_is_the_command_s(run):
    assert run("run web", failing(ComposeError("not found", exit_code=127))).code == 127


# ---- a few verbs, whole ----


def test_the_exit_code_of_exec_is_the_command_s(run):
    stack = FakeStack()
    stack.exit_code = 3
    ran = run("exec -T web false", stack)
    assert (ran.code, ran.doors.calls) == (
        3,
        ["exec ExecOptions(service='web', command=('false',)) stdio=Stdio()"],
    )


def test_wait_prints_how_each_ended_and_returns_the_last_code(run):
    stack = FakeStack()
    stack.exit_code = 4
    ran = run("wait web", stack)
    assert (ran.code, ran.out) == (
        4,
        f'container "{stack.containers_[0].id}" exited with status code 4\n',
    )


def test_rm_asks_and_does_nothing_on_no(run, monkeypatch):
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("n\n"))
    ran = run("rm")
    assert ran.err == "Going to remove shop-web-1\nAre you sure? [y/N] "
    assert [call.split()[0] for call in ran.doors.calls] == ["removable"]


def test_rm_says_when_there_is_nothing(run):
    stack = FakeStack()
    stack.containers_ = ()
    assert run("rm -f", stack).err == "No stopped containers\n"


def test_port_prints_address_and_number(run):
    assert run("port web 80").out == "0.0.0.0:8080\n"


def test_a_detached_run_prints_the_container(run):
    assert run("run -d web").out == "shop-web-run-0123456789ab\n"


def test_ps_services_prints_each_once(run):
    stack = FakeStack()
    stack.containers_ = (container(), container("shop-web-2", number=2))
    assert run("ps --services", stack).out == "web\n"


def test_volume_rm_goes_on_after_a_failure(run):
    ran = run("volume rm missing other")
    assert (ran.code, ran.out, ran.err) == (1, "other\n", "error E310: no such thing: missing\n")


def test_volume_rm_force_ignores_what_is_missing(run):
    ran = run("volume rm -f missing other")
    assert (ran.code, ran.out, ran.err) == (0, "other\n", "")
