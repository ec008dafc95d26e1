"""Brings the schema up to date; running it again changes nothing."""

import shop

with shop.connect() as connection, connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS item (name text PRIMARY KEY, price integer NOT NULL)")
    cursor.executemany(
        "INSERT INTO item VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [("tulip", 3), ("rose", 5), ("fern", 9)],
    )
print("the shop has its table")
