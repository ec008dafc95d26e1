"""A module can be read with only those below it in mind (STYLE.md 3.1).

`ALLOWED` is the record: an area -> the areas that it may import. Where a natural import is missing, add it with
the reason; the direction is the rule.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]

EVERYWHERE_IN_COMPOSE = {
    "compose.errors",
    "compose.position",
    "compose.exit_codes",
    # the decorator of values: no module starts fast without it
    "runtime.frozen",
}
EVERYWHERE_IN_RUNTIME = {
    "runtime.errors",
    "runtime.paths",
    "runtime.values",
    "runtime.spec",
    # the codec of values, below messages and rows alike; the schemas' files; version of the code
    "runtime.codec",
    "runtime.schemas",
    # the decorator of values
    "runtime.frozen",
    # the form of the log files: written by supervisor and keeper, read by containers/
    "runtime.log_segments",
}
RUNTIME_DOOR = {"runtime.engine", "runtime.values", "runtime.errors", "runtime.paths"}
# how coroutines wait, in an event loop or in a command that is shorter than one takes to import
TASKS = "runtime.tasks"

ALLOWED: dict[str, set[str]] = {
    "compose.errors": {"compose.position", "runtime.errors"},
    "compose.position": set(),
    "compose.exit_codes": set(),
    "compose.options": {"runtime.values"},
    # the loader's way to the engine's registry client: who loads hands it in
    "compose.artifacts": {"compose.loading", "runtime.engine", "runtime.errors"},
    "compose.tree": set(),
    "compose.model": {"compose.tree"},
    "compose.loading": {
        "compose.tree",
        "compose.model",
        # schemas/ is found the same way by both packages; the verdict cache lies below the data root
        "runtime.schemas",
        "runtime.paths",
    },
    "compose.planning": {"compose.model", "compose.tree", "compose.options", "runtime.values"},
    "compose.scheduling": {
        "compose.tree",
        "compose.planning",
        "compose.model",
        "compose.options",
        *RUNTIME_DOOR,
        TASKS,
    },
    # what of a Stack only reads: the base of its two faces
    "compose.reading": {
        "compose.tree",
        "compose.project_name",
        "compose.artifacts",
        "compose.loading",
        "compose.model",
        "compose.planning",
        "compose.scheduling",
        "compose.options",
        *RUNTIME_DOOR,
    },
    "compose.stack": {
        "compose.loading",
        "compose.model",
        "compose.planning",
        "compose.scheduling",
        "compose.options",
        "compose.reading",
        *RUNTIME_DOOR,
        TASKS,
    },
    "compose.project_name": {
        "compose.options",
        "compose.loading",
        "compose.model",
        "compose.tree",
        *RUNTIME_DOOR,
    },
    "compose.machine": {"compose.options", "runtime.tasks", *RUNTIME_DOOR},
    # what it pretends is the scheduling's dry engine, and what it tells are its events
    "compose.dry_machine": {"compose.machine", "compose.scheduling", *RUNTIME_DOOR},
    "compose.output": {
        # YAML text is quoted by the rules that read it
        "compose.loading",
        # the table of codes is a data file
        "runtime.schemas",
        "compose.tree",
        "compose.model",
        "compose.planning",
        "compose.scheduling",
        "compose.options",
        "runtime.values",
        "runtime.errors",
    },
    "compose.cli": {
        "compose.stack",
        "compose.machine",
        "compose.dry_machine",
        "compose.output",
        "compose.options",
        "compose.scheduling",
        # `config` prints a tree at a stage: it needs the loading without a Stack
        "compose.loading",
        "compose.artifacts",
        "runtime.errors",
        "runtime.values",
        "runtime.paths",
        # a verb that starts something has the keeper load its code while the files are read
        "runtime.start_keeper",
    },
    "compose.__main__": {"compose.cli"},
    "runtime.errors": set(),
    "runtime.paths": set(),
    "runtime.values": set(),
    "runtime.codec": set(),
    "runtime.frozen": set(),
    "runtime.spec": set(),
    "runtime.log_segments": {"runtime.linux"},
    "runtime.schemas": set(),
    "runtime.messages": {"runtime.linux"},
    "runtime.linux": set(),
    # the folders of a container are a part of the launch message
    "runtime.cgroups": {"runtime.linux", "runtime.messages"},
    # run states are corrected by the keeper's ProcessRecord, which is a message
    "runtime.state": {"runtime.linux", "runtime.messages"},
    # where an image's root file system goes is a part of the launch message; who has an image pulled waits for a thread
    "runtime.images": {"runtime.linux", "runtime.messages", "runtime.state", TASKS},
    "runtime.networks": {"runtime.linux"},
    "runtime.volumes": {"runtime.linux"},
    "runtime.containers": {
        "runtime.images",
        "runtime.networks",
        "runtime.volumes",
        "runtime.cgroups",
        "runtime.state",
        "runtime.messages",
        "runtime.linux",
    },
    "runtime.init": {"runtime.messages", "runtime.linux"},
    # the keeper forks with the init's code
    "runtime.keeper": {"runtime.init", "runtime.messages", "runtime.linux"},
    "runtime.supervisor": {
        "runtime.containers",
        "runtime.networks",
        "runtime.volumes",
        "runtime.cgroups",
        "runtime.state",
        "runtime.images",
        "runtime.messages",
        "runtime.linux",
        # a supervisor whose keeper died starts the next one
        "runtime.start_keeper",
        TASKS,
    },
    # the one place that knows how a keeper is started, for the engine and the supervisor
    "runtime.start_keeper": {"runtime.linux", TASKS},
    "runtime.small_loop": set(),
    TASKS: {"runtime.small_loop"},
    # the caller's end of a supervisor's socket
    "runtime.control": {"runtime.messages", TASKS},
    "runtime.engine": {
        "runtime.images",
        "runtime.networks",
        "runtime.volumes",
        "runtime.cgroups",
        "runtime.containers",
        "runtime.state",
        "runtime.messages",
        "runtime.linux",
        "runtime.start_keeper",
        "runtime.control",
        # deadlines in whichever loop the caller has
        TASKS,
    },
}


def test_every_import_goes_down():
    assert list(wrong_imports(TOP)) == []


def test_an_import_upwards_is_named(tmp_path: Path):
    module = tmp_path / "compose" / "model" / "ports.py"
    module.parent.mkdir(parents=True)
    module.write_text("from compose.loading import merge\n")
    assert list(wrong_imports(tmp_path)) == [
        "compose/model/ports.py:1 imports compose.loading, but compose.model may import only"
        " compose.errors, compose.exit_codes, compose.position, compose.tree, runtime.frozen and itself"
    ]


def test_an_import_that_hides_under_type_checking_is_found(tmp_path: Path):
    module = tmp_path / "runtime" / "linux" / "calls.py"
    module.parent.mkdir(parents=True)
    module.write_text("if TYPE_CHECKING:\n    from runtime.engine import Engine\n")
    assert len(list(wrong_imports(tmp_path))) == 1


def test_a_folder_without_a_place_is_named(tmp_path: Path):
    module = tmp_path / "runtime" / "novelty" / "x.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    assert list(wrong_imports(tmp_path)) == ["runtime/novelty/x.py has no place in ALLOWED"]


def wrong_imports(top: Path) -> Iterator[str]:
    for path in sorted([*top.glob("compose/**/*.py"), *top.glob("runtime/**/*.py")]):
        where = path.relative_to(top)
        area = area_of(".".join(where.with_suffix("").parts))
        if where.parts[1] == "__init__.py":
            continue
        if area not in ALLOWED:
            yield f"{where} has no place in ALLOWED"
            continue
        everywhere = EVERYWHERE_IN_COMPOSE if area.startswith("compose") else EVERYWHERE_IN_RUNTIME
        allowed = ALLOWED[area] | everywhere | {area}
        for line, module in imported_modules(path):
            target = area_of(module)
            if target not in allowed:
                names = ", ".join(sorted(allowed - {area}))
                yield f"{where}:{line} imports {target}, but {area} may import only {names} and itself"


def area_of(module: str) -> str:
    """`compose.model.ports` -> `compose.model`: the folder below the top, or the module there."""
    return ".".join(module.split(".")[:2])


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in ("compose", "runtime"):
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                raise AssertionError(f"{path}:{node.lineno}: imports are absolute here")
            if module in ("compose", "runtime"):
                for alias in node.names:
                    yield node.lineno, f"{module}.{alias.name}"
            elif module.split(".")[0] in ("compose", "runtime"):
                yield node.lineno, module
