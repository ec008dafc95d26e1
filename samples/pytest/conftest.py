"""One stack for the whole suite. It is gone when the suite ends, by the fixture or, after a kill, by the lease."""

import os
from pathlib import Path

import pytest

from compose.options import StackOptions, UpOptions
from compose.stack import Stack

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def shop():
    options = StackOptions(
        files=(str(HERE.parent / "webshop" / "compose.yaml"), str(HERE / "compose.test.yaml")),
        project_name=f"webshop-test-{os.getpid()}",
    )
    with Stack(options).running(UpOptions(wait=True, lease=True)) as stack:
        yield stack


@pytest.fixture(scope="session")
def url(shop):
    return f"http://127.0.0.1:{shop.host_port('web', 80)}/"


@pytest.fixture
def database(shop):
    import pg8000.dbapi

    password = (HERE.parent / "webshop" / "db_password.txt").read_text().strip()
    connection = pg8000.dbapi.connect(
        user="shop", password=password, host="127.0.0.1", port=shop.host_port("db", 5432), database="shop"
    )
    yield connection
    connection.close()
