"""A supervisor on a FolderMachine. Files beside the rows change it: `broken` has it die at once, `impatient` has it
give up starts after half a second.
"""

import os
import site
import sys
from pathlib import Path

# the keeper starts it without
site.main()
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

if __name__ == "__main__":
    settings = Path(sys.argv[1], "fake")
    if (settings / "broken").exists():
        sys.exit("OSError: [Errno 28] No space left on device")

    from runtime.supervisor.__main__ import find_libraries

    find_libraries()

    from runtime import start_keeper
    from runtime.supervisor import stops
    from runtime.supervisor.main import main
    from tests.fakes.machine import FolderMachine

    # the next keeper, when this one's is lost
    start_keeper.PROGRAM = os.path.join(os.path.dirname(__file__), "keeper_program.py")
    if (settings / "impatient").exists():
        stops.START_SECONDS = 0.5
    main(*sys.argv[1:], make_machine=FolderMachine)
