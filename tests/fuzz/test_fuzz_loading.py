"""A short run of the fuzzer: the same thousand inputs each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_thousand_changed_files_give_a_model_or_an_error_with_code_and_place():
    script = Path(__file__).with_name("fuzz_loading.py")
    run = subprocess.run(
        [sys.executable, "-P", str(script), "--runs", "1000", "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1000 runs, 0 wrong" in run.stdout
