import pytest

from tests.fakes.project import FakeProject


@pytest.fixture
def project(paths):
    """A project without containers; nothing runs yet."""
    made = FakeProject(paths)
    yield made
    print(made.log)
    made.close()
