"""What the Redshift endpoint (wire protocol, translation) costs over DuckDB in process: rows fetched, statements."""

from __future__ import annotations

import duckdb
import psycopg2

from benchmarks.cloud import Cloud, local_cloud
from benchmarks.measure import Way, compare

ROWS, STATEMENTS = 200_000, 300
USER, PASSWORD = "admin", "Benchmark1pass"
FETCH = "select id, name, amount, happened from sales order by id"
LOOK_UP = "select name, amount from sales where id = %s"


def main() -> None:
    """Fill both with the same rows and compare."""
    with local_cloud(without=frozenset({"opensearch", "postgres", "gremlin"})) as cloud:
        direct = duckdb.connect()
        direct.execute(
            f"""create table sales as select i as id, 'customer ' || i as name, (i % 10000)::decimal(12,2) as amount,
            timestamp '2026-01-01' + interval 1 second * i as happened from range({ROWS}) as r(i)"""  # noqa: S608
        )
        endpoint = connect(cloud)
        fill(direct, endpoint)
        compare(
            "fetching rows",
            "rows",
            [
                Way("DuckDB in process", lambda: len(direct.execute(FETCH).fetchall())),
                Way("Redshift endpoint", lambda: fetch(endpoint), cloud.pids()),
            ],
        )
        compare(
            "statements that find one row",
            "statements",
            [
                Way(
                    "DuckDB in process",
                    lambda: look_up(lambda n: direct.execute(LOOK_UP.replace("%s", "?"), [n]).fetchall()),
                ),
                Way("Redshift endpoint", lambda: look_up(lambda n: rows(endpoint, LOOK_UP, n)), cloud.pids()),
            ],
        )


def connect(cloud: Cloud) -> psycopg2.extensions.connection:
    """A session as the admin of a new workgroup."""
    serverless = cloud.client("redshift-serverless")
    serverless.create_namespace(namespaceName="main", dbName="sales", adminUsername=USER, adminUserPassword=PASSWORD)
    serverless.create_workgroup(workgroupName="main", namespaceName="main")
    address = cloud.machine.addresses()["warehouse"]
    session = psycopg2.connect(host=address.host, port=address.port, user=USER, password=PASSWORD, dbname="sales")
    session.autocommit = True
    return session


def fill(source: duckdb.DuckDBPyConnection, target: psycopg2.extensions.connection) -> None:
    """The same rows in the warehouse."""
    with target.cursor() as cursor:
        cursor.execute("create table sales (id bigint, name varchar(40), amount decimal(12,2), happened timestamp)")
        batch = 5_000
        for start in range(0, ROWS, batch):
            chunk = source.execute("select * from sales where id >= ? and id < ?", [start, start + batch]).fetchall()
            values = b",".join(cursor.mogrify("(%s,%s,%s,%s)", row) for row in chunk)
            cursor.execute(b"insert into sales values " + values)


def fetch(session: psycopg2.extensions.connection) -> int:
    """All rows, read into Python."""
    with session.cursor() as cursor:
        cursor.execute(FETCH)
        return len(cursor.fetchall())


def rows(session: psycopg2.extensions.connection, sql: str, value: int) -> list[tuple[object, ...]]:
    """The rows of a statement with one value."""
    with session.cursor() as cursor:
        cursor.execute(sql, (value,))
        return cursor.fetchall()


def look_up(find: object) -> int:
    """One row after another."""
    for number in range(STATEMENTS):
        assert len(find(number * 31)) == 1  # type: ignore[operator]
    return STATEMENTS


if __name__ == "__main__":
    main()
