"""What two worlds are compared by: the content of the warehouse and the index, without what only says when and how.

Equal content (docs/architecture.md): equal rows of every table but `ops` and the snapshots of it, without load columns,
customer and household ids mapped to the smallest record key of theirs.
"""

from __future__ import annotations

from typing import Any

import psycopg2
from psycopg2 import sql

SCHEMAS = ("staging", "intermediate", "marts")
# Columns that say by which load a row came, not what it holds; `dt` of a snapshot is the day it was taken on.
LOAD_COLUMNS = {"load", "load_id", "_extracted_at", "extracted_at", "dt", "profile_hash"}

Content = dict[str, list[tuple[Any, ...]]]


def content(connection: Any) -> Content:
    """The rows of every table and view, sorted, and `members`: the partition of the records into customers."""
    with connection.cursor() as cursor:
        cursor.execute("select record_key, customer_id from identity.current_members")
        members: dict[str, list[str]] = {}
        for record, customer in cursor.fetchall():
            members.setdefault(customer, []).append(record)
        smallest = {customer: min(records) for customer, records in members.items()}
        cursor.execute("select household_id, customer_id from identity.current_households order by customer_id")
        for household, customer in cursor.fetchall():
            smallest[household] = min(smallest[customer], smallest.get(household, smallest[customer]))
        result: Content = {"members": sorted(tuple(sorted(records)) for records in members.values())}
        cursor.execute(
            "select table_schema, table_name from information_schema.tables where table_schema in %s "
            "and table_name not like 'stg_ops%%'",
            (SCHEMAS,),
        )
        for schema, table in sorted(cursor.fetchall()):
            cursor.execute(sql.SQL("select * from {}").format(sql.Identifier(schema, table)))
            kept = [i for i, column in enumerate(cursor.description) if column.name not in LOAD_COLUMNS]
            result[f"{schema}.{table}"] = sorted(
                (tuple(smallest.get(row[i], row[i]) for i in kept) for row in cursor.fetchall()), key=repr
            )
    return result


def difference(before: Content, after: Content) -> str:
    """A readable account of what differs; empty when nothing does."""
    lines = []
    for table in sorted(before.keys() | after.keys()):
        left, right = before.get(table, []), after.get(table, [])
        if left != right:
            gone = [row for row in left if row not in set(right)]
            new = [row for row in right if row not in set(left)]
            lines.append(f"{table}: {len(left)} -> {len(right)} rows; gone {gone[:3]}; new {new[:3]}")
    return "\n".join(lines)


def connect(endpoint: dict[str, Any]) -> Any:
    """A session with the warehouse as `localcloud status --json` describes it."""
    connection = psycopg2.connect(
        host=endpoint["host"], port=endpoint["port"], user=endpoint["user"], password=endpoint["password"],
        dbname="cdap", sslmode="disable",
    )  # fmt: skip
    connection.autocommit = True
    return connection
