"""`keeper/` and `init/` import the standard library, `linux/` and the messages alone, all the way down.

What runs between fork and execve, as root, must be small and known: no event loop, no netlink package, no network
client. The keeper also has to start in milliseconds and to stay small for as long as a project runs.
"""

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

FOREIGN = {"anyio", "pyroute2", "networkx", "jsonschema", "yaml", "typer", "rich", "h11", "asyncio"}
OURS = (
    "runtime.keeper",
    "runtime.init",
    "runtime.linux",
    "runtime.messages",
    "runtime.codec",
    "runtime.values",
    "runtime.errors",
    "runtime.frozen",
    "runtime.paths",
    "runtime.spec",
    "runtime.schemas",
    "runtime.log_segments",
)
# linux/netlink.py is the adapter of pyroute2: nobody after fork may load it
NOT_OURS = {"runtime.linux.netlink"}


@pytest.mark.parametrize(
    "module",
    [
        ".".join(path.relative_to(TOP).with_suffix("").parts)
        for folder in ("keeper", "init")
        for path in sorted((TOP / "runtime" / folder).glob("*.py"))
        if path.name != "__init__.py"
    ],
)
def test_what_runs_after_fork_loads_only_what_it_may(module: str):
    script = f"import sys, importlib; importlib.import_module({module!r}); print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=TOP, capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert {name for name in loaded if name.split(".")[0] in FOREIGN} == set()
    ours = {name for name in loaded if name.startswith(("runtime.", "compose"))}
    assert {name for name in ours if not name.startswith(OURS) or name in NOT_OURS} == set()
