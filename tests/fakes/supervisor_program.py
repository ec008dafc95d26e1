"""A supervisor on a FolderMachine."""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

if __name__ == "__main__":
    from runtime.supervisor.main import main
    from tests.fakes.machine import FolderMachine

    main(*sys.argv[1:], make_machine=FolderMachine)
