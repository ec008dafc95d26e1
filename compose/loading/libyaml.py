"""libyaml's parser, imported in half the time: PyYAML compiles a pattern that CParser never uses.

Its pure Python reader looks for characters that YAML forbids with a class of nearly all of Unicode;
compiling that takes 6 ms, the same set said the other way round half of one. The reader works as
ever.
"""

from __future__ import annotations

import re
from typing import Any

ALLOWED = "[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
"""As yaml/reader.py writes it."""
FORBIDDEN = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"


def _import_yaml() -> Any:
    compile_pattern = re.compile

    def compile_quickly(pattern: Any, flags: Any = 0) -> Any:
        return compile_pattern(FORBIDDEN if pattern == ALLOWED else pattern, flags)

    re.compile = compile_quickly
    try:
        import yaml.cyaml
    finally:
        re.compile = compile_pattern
    return yaml


yaml = _import_yaml()
CParser = yaml.cyaml.CParser
