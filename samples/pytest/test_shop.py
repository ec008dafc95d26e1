"""What a suite asks of a running stack."""

import json
import urllib.request

from compose.options import ExecOptions, RunOptions


def ask(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def test_the_shop_sells_what_the_migration_put_in(url):
    assert ask(url)["items"] == {"tulip": 3, "rose": 5, "fern": 9}


def test_what_is_written_by_sql_is_sold_over_http(url, database):
    cursor = database.cursor()
    cursor.execute("INSERT INTO item VALUES ('lily', 4)")
    database.commit()
    assert ask(url)["items"]["lily"] == 4
    cursor.execute("DELETE FROM item WHERE name = 'lily'")
    database.commit()


def test_both_replicas_answer(url):
    assert len({ask(url)["served_by"] for _ in range(20)}) == 2


def test_visits_are_counted_in_redis(shop, url):
    visits = ask(url)["visits"]
    counted = shop.exec(ExecOptions(service="cache", command=("redis-cli", "get", "visits")))
    assert (counted.exit_code, int(counted.stdout)) == (0, visits)


def test_the_migration_can_be_run_again(shop):
    again = shop.run(RunOptions(service="migrate", remove=True))
    assert (again.exit_code, again.stdout) == (0, b"the shop has its table\n")
