"""Run by the keeper by absolute path (keeper/supervision.py). Arguments: the data root, the run
root, the project's id; descriptor 3 is the listening control socket, 4 the channel to the keeper.
"""

import gc
import os
import sys
from importlib.machinery import PathFinder

# until all is imported there is no garbage to look for (supervisor/main.py turns it on again)
gc.disable()

# Appended, not inserted: nothing beside the package may hide a module of the standard library.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path += filter(os.path.isabs, os.environ.get("PYCOMPOSE_LIBRARIES", "").split(os.pathsep))


def find_libraries() -> None:
    """Where they are not, begin again with `site`, which knows every way in which a package can be
    installed."""
    if not sys.flags.no_site or PathFinder.find_spec("pyroute2") is not None:
        return
    os.set_inheritable(3, True)
    os.set_inheritable(4, True)
    os.execv(sys.executable, [sys.executable, "-P", "-E", "-s", *sys.argv])


if __name__ == "__main__":
    find_libraries()

    from runtime.supervisor.main import main

    main(*sys.argv[1:])
