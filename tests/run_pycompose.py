"""Starts the checkout's pycompose from any folder, as ./pycompose does, but with the tests' own interpreter."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compose.__main__ import start

start()
