"""Which of these names was meant?"""

from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str:
    """The most similar one, or "" when none is similar. `-d` for `--d` is nobody's typing error, so
    words only."""
    from difflib import get_close_matches

    found = get_close_matches(name, sorted(names), n=1, cutoff=0.6)
    return found[0] if found else ""
