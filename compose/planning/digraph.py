"""networkx's DiGraph, without the rest of networkx. The one module that imports it.

`import networkx` reads 300 modules, mostly algorithms, and costs more than starting ten containers.
The class itself needs eight. They are executed here in a private module space, with an `__import__`
of their own and stand-ins for what they only mention, so that nobody else in the process ever sees
a partial networkx. Where that fails (another version of networkx), the whole package is imported.
"""

from __future__ import annotations

import builtins
import importlib.util
import sys
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from networkx import DiGraph

_NEEDED = (
    "networkx.exception",
    "networkx.convert",
    "networkx.classes.coreviews",
    "networkx.classes.reportviews",
    "networkx.classes.graph",
    "networkx.classes.digraph",
)
_PUBLISHED = ("NetworkXException", "NetworkXError", "Graph", "DiGraph")
"""Names that the modules look up in the package when they are called."""


def new_digraph() -> DiGraph[int]:
    """An empty graph of numbers."""
    graph: DiGraph[int] = digraph_class()()
    return graph


@cache
def digraph_class() -> Any:
    """The class; the package's own one when somebody has imported it already."""
    if "networkx" not in sys.modules:
        try:
            return _PrivateModules(_folder()).load()
        except Exception:  # another layout of the package: slow is better than not at all
            pass
    import networkx

    return networkx.DiGraph


def _folder() -> Path:
    found = importlib.util.find_spec("networkx")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("networkx")
    return Path(found.submodule_search_locations[0])


class _PrivateModules:
    """Modules of networkx that are in no `sys.modules`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._builtins = {**vars(builtins), "__import__": self._import}
        package, utils = ModuleType("networkx"), ModuleType("networkx.utils")
        package.__dict__.update(_dispatchable=_undecorated, _clear_cache=_forget, utils=utils)
        self._modules = {
            "networkx": package,
            "networkx.utils": utils,
            "networkx.classes": ModuleType("networkx.classes"),
        }

    def load(self) -> Any:
        for name in _NEEDED:
            self._execute(name)
        digraph = self._modules["networkx"].DiGraph
        _try_out(digraph)
        return digraph

    def _execute(self, name: str) -> None:
        path = self._folder.joinpath(*name.split(".")[1:]).with_suffix(".py")
        module = ModuleType(name)
        module.__dict__["__builtins__"] = self._builtins
        code = SourceFileLoader(name, str(path)).get_code(name)
        assert code is not None
        exec(code, module.__dict__)
        self._modules[name] = module
        package = self._modules["networkx"]
        setattr(package, name.rpartition(".")[2], module)
        for public in _PUBLISHED:
            if hasattr(module, public):
                setattr(package, public, getattr(module, public))

    def _import(
        self,
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> Any:
        if name.partition(".")[0] == "networkx" and name in self._modules:
            return self._modules[name if fromlist else "networkx"]
        return builtins.__import__(name, globals, locals, fromlist, level)


def _undecorated(function: Any = None, **_facets: Any) -> Any:
    """Instead of networkx's dispatch to other libraries."""
    return function if function is not None else _undecorated


def _forget(_graph: Any) -> None:
    """Instead of clearing the caches of other libraries."""


def _try_out(digraph: Any) -> None:
    graph = digraph()
    graph.add_node(1, action=None)
    graph.add_edge(1, 2, optional=False)
    assert list(graph.predecessors(2)) == [1]
    assert graph.in_degree(2) == 1
    assert list(graph.edges(data="optional")) == [(1, 2, False)]
