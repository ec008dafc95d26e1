"""What is meant to fill the memory or to stop the loader is refused, with a code and a place, in bounded time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]
MEMORY = 400 * 1024 * 1024


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def config(
    folder: Path, *words: str, environment: dict[str, str] | None = None, stdin: bytes = b""
) -> str:
    """stderr of a `config` that fails, in a process that may take 400 MB and a minute."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    run = subprocess.run(
        [sys.executable, "-P", str(TOP / "tests" / "run_pycompose.py"), *words, "config", "-q"],
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder), "PYCOMPOSE_ROOT": str(folder / "root")}
        | (environment or {}),
        input=stdin,
        capture_output=True,
        timeout=60,
        preexec_fn=limit,
    )
    said = run.stderr.decode()
    assert "Traceback" not in said
    assert run.returncode > 0, said
    return said


def write(folder: Path, text: str, name: str = "compose.yaml") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


WEB = "services: {web: {image: a}}\n"


def test_aliases_of_aliases_are_not_written_out_without_end(project: Path):
    lines = ["x-0: &a0 [b, b, b, b, b, b, b, b, b, b]"]
    for n in range(1, 12):
        lines.append(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
    write(project, "\n".join(lines) + "\n" + WEB)
    said = config(project)
    assert said.startswith("compose.yaml:5:"), said
    assert "error E015: aliases make more than 100000 values" in said


def test_a_merge_key_that_doubles_is_not_followed_without_end(project: Path):
    lines = ["x-0: &a0 {k0: 1, l0: 1}"]
    for n in range(1, 40):
        lines.append(
            f"x-{n}: &a{n} {{m{n}: *a{n - 1}, n{n}: *a{n - 1}, <<: [*a{n - 1}, *a{n - 1}]}}"
        )
    write(project, "\n".join(lines) + "\n" + WEB)
    assert "error E015: aliases make more than 100000 values" in config(project)


def test_brackets_nested_a_hundred_thousand_deep_are_refused(project: Path):
    write(project, "x-a: " + "[" * 100_000)
    assert "compose.yaml:1:" in (said := config(project))
    assert "error E010: this is no YAML: exceeded maximum nesting depth" in said


def test_indentation_nested_without_end_is_refused(project: Path):
    write(project, "".join(" " * n + f"a{n}:\n" for n in range(2000)))
    assert "error E015: more than 100 levels" in config(project)


def test_a_million_items_are_refused(project: Path):
    write(project, "x-a: [" + "a," * 1_000_000 + "]\n" + WEB)
    assert "error E015: more than 100000 values" in config(project)


def test_defaults_nested_a_thousand_deep_are_refused(project: Path):
    write(project, WEB + "x-a: '" + "${A:-" * 1000 + "}" * 1000 + "'\n")
    assert "error E023: defaults are nested more than 30 deep" in config(project)


def test_a_variable_that_is_repeated_cannot_fill_the_memory(project: Path):
    write(project, WEB + "x-a: '" + "${A}" * 20_000 + "'\n")
    said = config(project, environment={"A": "b" * 100_000})
    assert "compose.yaml:2:6: error E023" in said


def test_variables_of_a_dotenv_file_that_double_cannot_fill_the_memory(project: Path):
    lines = ["A0=" + "b" * 1000] + [f"A{n}=$A{n - 1}$A{n - 1}" for n in range(1, 60)]
    write(project, "\n".join(lines), ".env")
    write(project, WEB)
    said = config(project)
    assert said.startswith(".env:1"), said
    assert "error E023" in said


def test_a_dotenv_file_of_many_large_values_cannot_fill_the_memory(project: Path):
    write(project, "A=" + "b" * 900_000 + "".join(f"\nA{n}=$A" for n in range(10_000)), ".env")
    write(project, WEB)
    said = config(project)
    assert ".env:" in said
    assert "error E023: variables make the file too large" in said


def test_a_dotenv_file_of_sixteen_thousand_short_variables_is_read(project: Path):
    write(project, "\n".join(f'A{n}="x" # ' + "y" * 900 for n in range(16_000)), ".env")
    write(project, "services: {web: {image: '${A15999}', env_file: missing}}\n")
    assert "error E002" in config(project)


@pytest.mark.parametrize(
    "number",
    ["1" * 100_000, "0x" + "f" * 100_000, "1e999999999", "-" + "9" * 5000, "0b" + "1" * 300],
)
def test_numbers_without_end_are_refused_in_a_port_and_cost_nothing(project: Path, number: str):
    write(
        project, f"services: {{web: {{image: a, mem_limit: 1, ports: [{{target: {number}}}]}}}}\n"
    )
    said = config(project)
    assert said.startswith("compose.yaml:1:"), said
    assert len(said) < 3000


@pytest.mark.parametrize("size", ["9" * 5000 + "g", "99999999999999999999", "1e400"])
def test_sizes_without_end_are_refused(project: Path, size: str):
    write(project, f"services: {{web: {{image: a, mem_limit: '{size}'}}}}\n")
    assert "error E089" in config(project)


@pytest.mark.parametrize("duration", ["9" * 5000 + "s", "1" * 40 + "ns", "1s" * 50_000])
def test_durations_without_end_are_refused(project: Path, duration: str):
    write(project, f"services: {{web: {{image: a, stop_grace_period: '{duration}'}}}}\n")
    said = config(project)
    assert "error E089" in said
    assert len(said) < 3000


def test_a_range_of_ports_is_not_multiplied_by_ten_thousand_entries(project: Path):
    ports = ", ".join(f"'{n % 250}.1.1.1:1-65535:1-65535'" for n in range(1, 200))
    write(project, f"services: {{web: {{image: a, ports: [{ports}]}}}}\n")
    assert "error E015" in config(project)


def test_a_file_that_includes_itself_is_a_circle(project: Path):
    write(project, "include: [compose.yaml]\n" + WEB)
    assert "compose.yaml:1:11: error E062" in config(project)


def test_files_that_include_each_other_by_other_names_are_a_circle(project: Path):
    write(project, "include: [./sub/../sub/b.yaml]\n" + WEB)
    write(project, "include: [../compose.yaml]\nservices: {b: {image: a}}\n", "sub/b.yaml")
    assert "b.yaml:1:11: error E062" in config(project)


def test_a_link_to_itself_in_an_include_ends(project: Path):
    os.symlink(".", project / "here")
    write(project, "include: [here/compose.yaml]\n" + WEB)
    assert "compose.yaml:1:11: error E062" in config(project)


def test_includes_that_double_end(project: Path):
    for n in range(30):
        write(project, f"include: [b{n + 1}.yaml, ./x/../b{n + 1}.yaml]\nx-a: {n}\n", f"b{n}.yaml")
    write(project, "services: {b: {image: a}}\n", "b30.yaml")
    write(project, "include: [b0.yaml]\n" + WEB)
    assert "error E015: more than 300 files are read" in config(project)


def test_a_chain_of_a_thousand_services_that_extend_each_other_is_refused(project: Path):
    links = "".join(f"  s{n}: {{extends: s{n + 1}}}\n" for n in range(1000))
    write(project, f"services:\n{links}  s1000: {{image: a, env_file: missing}}\n")
    assert "error E015: more than 100 services extend each other" in config(project)


def test_documents_without_number_are_refused(project: Path):
    write(project, WEB + "---\nx-a: 1\n" * 200_000)
    assert "compose.yaml:2000:1: error E015: more than 1000 documents" in config(project)


def test_documents_that_are_judged_again_and_again_are_refused(project: Path):
    services = ", ".join(f"s{n}: {{image: {'a' * 50}, cpus: 1}}" for n in range(15_000))
    write(project, f"services: {{{services}}}\n" + "---\nx-a: 1\n" * 900)
    assert "error E015: the documents are too many and too large" in config(project)


def test_a_circle_of_ten_thousand_dependencies_is_named_shortly(project: Path):
    links = "".join(f"  s{n}: {{image: a, depends_on: [s{(n + 1) % 9000}]}}\n" for n in range(9000))
    write(project, f"services:\n{links}")
    said = config(project)
    assert "error E060" in said
    assert len(said) < 20_000


ENV_FILE = "services: {{web: {{image: a, env_file: '{}'}}}}\n"
FORMS = (
    "services: {{web: {{image: a, label_file: '{}'}}}}\n",
    "services: {{web: {{extends: {{file: '{}', service: a}}}}}}\n",
    "include: ['{}']\n",
    "include: [{{path: other.yaml, env_file: '{}'}}]\n",
)


@pytest.mark.parametrize(
    ("text", "name"),
    [(ENV_FILE, name) for name in ("fifo", "/dev/zero", "/dev/full", "/proc/self/mem", ".")]
    + [(text, "fifo") for text in FORMS]
    + [(FORMS[-1], "/proc/self/mem")],
)
def test_what_is_no_regular_file_is_not_read(project: Path, name: str, text: str):
    os.mkfifo(project / "fifo")
    write(project, WEB, "other.yaml")
    write(project, text.format(name))
    said = config(project)
    assert said.startswith("compose.yaml:1:"), said
    assert "error E00" in said


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "/proc/self/mem"])
def test_a_compose_file_or_env_file_of_the_command_line_that_is_none_is_not_read(project, name):
    os.mkfifo(project / "fifo")
    write(project, WEB)
    assert "error E002" in config(project, "-f", name)
    assert "error E00" in config(project, "--env-file", name)


def test_a_sparse_file_of_one_gigabyte_is_not_read(project: Path):
    for name in ("compose.yaml", "web.env"):
        with open(project / name, "wb") as file:
            file.truncate(2**30)
    assert "compose.yaml:1:1: error E016: the file has more than 16 MiB" in config(project)
    write(project, "services: {web: {image: a, env_file: web.env}}\n")
    assert "web.env:1:1: error E016" in config(project)


def test_standard_input_without_end_is_not_read_to_its_end(project: Path):
    with open("/dev/zero", "rb") as zeros:
        run = subprocess.run(
            [sys.executable, "-P", str(TOP / "tests/run_pycompose.py"), "-f", "-", "config"],
            cwd=project,
            stdin=zeros,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert run.returncode > 0
    assert "error E016" in run.stderr


def test_control_characters_in_names_do_not_reach_the_terminal(project: Path):
    write(
        project, '"x-\\e[31mred": 1\nservices: {"\\e]0;title\\a": {image: a}, web: {"\\e[2J": 1}}\n'
    )
    said = config(project)
    assert "error E0" in said
    assert "\x1b" not in said
    assert "\a" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('include: ["a\\0b"]', "1:11: error E002: cannot read the file a\ufffdb"),
        (
            'services: {a: {extends: {service: x, file: "a\\0b"}}}',
            "1:44: error E002: cannot read the file a\ufffdb",
        ),
        (
            'services: {a: {image: x, env_file: "a\\0b"}}',
            "1:36: error E002: cannot read the env file a\ufffdb",
        ),
        (
            'services: {a: {image: x, label_file: ["a\\0b/c"]}}',
            "1:39: error E002: cannot read the env file a\ufffdb/c",
        ),
    ],
)
def test_a_file_name_with_a_null_byte_names_no_file(project: Path, text: str, said: str):
    write(project, text)
    assert config(project).startswith(f"compose.yaml:{said}: the name holds a null byte\n")


def test_twenty_thousand_unset_variables_of_one_line_are_told_in_bounded_time(project: Path):
    """Each shows its place in a line of 160 KB; looking at all of it for each took half a minute."""
    words = " ".join(f"$V{number}Q" for number in range(20_000))
    write(project, f"x-a: '{words}'\nservices: {{web: {{imge: a}}}}\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert "error E030" in config(project)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 15


def test_three_thousand_braces_that_never_close_are_told_in_bounded_time(project: Path):
    """The part that the caret marks is found in one go, without trying all ways to divide it."""
    write(project, f"x-a: '{'${A' * 3000}'\nservices: {{web: {{image: a}}}}\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert "error E020" in config(project)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5


def test_a_name_of_a_megabyte_gives_a_short_message(project: Path):
    write(project, f"services:\n  web:\n    image: a\n    ? {'b' * 1_000_000}\n    : 1\n")
    said = config(project)
    assert "error E030" in said
    assert len(said) < 6000
