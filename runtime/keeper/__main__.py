"""Run by absolute path (runtime/start_keeper.py): leaves the caller's session, then keeps.

Arguments: the data root, the run root, the project's id, and a descriptor that gets one byte when
the control socket listens.
"""

import os
import sys

# Appended, not inserted: nothing beside the package may hide a module of the standard library.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

if __name__ == "__main__":
    # The caller waits for this process alone; the keeper falls to PID 1 at once, so that no zombie
    # of it is left in a caller that lives longer. One thread, nothing imported yet: safe to fork.
    if os.fork():  # noqa: TID251
        os._exit(0)
    from runtime.keeper.main import main

    main(*sys.argv[1:])
