"""`./check fast` runs where no Debian package is: what a test needs is looked for when it runs, not when it is read."""

import pytest

from tests.conftest import USED_TO_COLLECT


def test_no_program_of_the_machine_is_read_or_started_while_tests_are_collected(
    pytestconfig: pytest.Config,
):
    assert pytestconfig.stash[USED_TO_COLLECT].found == []
