"""A keeper that forks plain processes and whose supervisor works on a FolderMachine. The file `older` beside the rows
has it say no more than an earlier version did.
"""

import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(TOP)

if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    from runtime import messages
    from runtime.keeper.main import main
    from tests.fakes.births import PlainBirths

    if os.path.exists(os.path.join(sys.argv[1], "fake", "older")):
        from runtime.keeper import keeping

        keeping.Roster = lambda *, lays_entries, **words: messages.Roster(**words)
    program = os.environ.get(
        "TEST_SUPERVISOR", os.path.join(TOP, "tests/fakes/supervisor_program.py")
    )
    main(*sys.argv[1:], births=PlainBirths(), program=program)
