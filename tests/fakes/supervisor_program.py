"""A supervisor on a FolderMachine."""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

if __name__ == "__main__":
    from runtime import start_keeper
    from runtime.supervisor.main import main
    from tests.fakes.machine import FolderMachine

    # the next keeper, when this one's is lost
    start_keeper.PROGRAM = os.path.join(os.path.dirname(__file__), "keeper_program.py")
    main(*sys.argv[1:], make_machine=FolderMachine)
