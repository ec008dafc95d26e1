"""What migration and API share: the connection to the database."""

import os
from pathlib import Path

import psycopg2


def connect():
    password = Path(os.environ["PASSWORD_FILE"]).read_text().strip()
    return psycopg2.connect(os.environ["DATABASE"], password=password)
