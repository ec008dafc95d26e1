"""Booting machines takes minutes where there is no KVM: `./check vm` asks for it, the other tests do without."""

import os

collect_ignore = [] if os.environ.get("PYCOMPOSE_TEST_VM") else ["test_second_host.py"]
