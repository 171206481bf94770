"""Transactions, session parameters, prepared statements and cursors."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.errors import SqlError, syntax_error, unsupported
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.tokens import TokenReader, split_statements

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


def plan_begin(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """BEGIN and START TRANSACTION; every isolation level is serializable in Redshift."""

    def action() -> None:
        if not session.in_transaction:
            session.begin()

    return Plan("BEGIN", action=action, transactional=False)


def plan_commit(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """COMMIT and END; of a failed transaction it is a rollback."""
    tag = "ROLLBACK" if session.failed else "COMMIT"
    return Plan(tag, action=lambda: session.commit() if session.in_transaction else None, transactional=False)


def plan_rollback(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """ROLLBACK and ABORT. There are no savepoints in Redshift."""
    if reader.words(2)[1:] == ("to",):
        raise unsupported("ROLLBACK TO SAVEPOINT")
    return Plan("ROLLBACK", action=session.rollback, transactional=False)


def plan_set(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """SET parameter TO value. SET LOCAL and SET SESSION last for the session."""
    reader.expect("set")
    if reader.accept("session", "characteristics") or reader.accept("transaction"):
        rest = reader.rest().lower()
        if "read only" in rest:
            raise unsupported("A read-only transaction")
        return Plan("SET", action=lambda: None, transactional=False)
    if reader.accept("session", "authorization"):
        raise unsupported("SET SESSION AUTHORIZATION")
    if reader.accept("local"):
        raise unsupported("SET LOCAL")
    reader.accept("session")
    name = reader.identifier()
    while reader.accept("."):
        name += "." + reader.identifier()
    if name == "time" and reader.accept("zone"):
        name = "timezone"
    elif not reader.accept("to"):
        reader.expect("=")
    value = _value(reader)
    return Plan("SET", action=lambda: session.settings.set(name, value), transactional=False)


def _value(reader: TokenReader) -> str | None:
    if reader.accept("default"):
        reader.finish()
        return None
    parts = []
    while not reader.done:
        if reader.accept(","):
            continue
        parts.append(reader.string() if reader.is_string() else _word(reader))
    if not parts:
        raise syntax_error("syntax error: SET without a value")
    return ", ".join(parts)


def _word(reader: TokenReader) -> str:
    sign = "-" if reader.accept("-") else ""
    if reader.is_number():
        token = reader.tokens[reader.position].text
        reader.position += 1
        return sign + token
    token = reader.tokens[reader.position].text
    reader.position += 1
    return token


def plan_reset(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """RESET parameter and RESET ALL."""
    reader.expect("reset")
    name = reader.identifier()
    reader.finish()
    if name == "all":
        return Plan("RESET", action=session.settings.reset_all, transactional=False)
    return Plan("RESET", action=lambda: session.settings.set(name, None), transactional=False)


def plan_lock(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """LOCK tables: whoever else locks one of them waits for the end of this transaction."""
    reader.expect("lock")
    reader.accept("table")
    names = [reader.name()]
    while reader.accept(","):
        names.append(reader.name())
    reader.finish()

    def action() -> None:
        for name in sorted(names, key=lambda n: (n.schema or "", n.name)):
            key = (session.database, name.schema or "", name.name)
            lock = session.warehouse.table_locks.setdefault(key, threading.RLock())
            if not lock.acquire(timeout=600):
                raise SqlError("55P03", f'another transaction holds the lock of "{name.name}" for ten minutes')
            session.held_locks.append(lock)

    return Plan("LOCK", action=action)


def plan_prepare(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """PREPARE name [(types)] AS statement."""
    reader.expect("prepare")
    name = reader.identifier()
    if reader.at_parenthesis():
        reader.parenthesized()
    reader.expect("as")
    text = reader.rest()
    return Plan("PREPARE", action=lambda: session.prepared.__setitem__(name, text), transactional=False)


def plan_execute(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """EXECUTE name [(values)]."""
    from localcloud.engines.sql.dialect import parse

    reader.expect("execute")
    name = reader.identifier()
    if name not in session.prepared:
        raise SqlError("26000", f'prepared statement "{name}" does not exist')
    values: list[Any] = []
    if reader.at_parenthesis():
        tuple_ = parse(f"select row({reader.parenthesized()})")
        values = list(tuple_.expressions[0].expressions) if isinstance(tuple_, exp.Select) else []
    reader.finish()
    return session.plan(session.prepared[name], values)


def plan_deallocate(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DEALLOCATE name or ALL."""
    reader.expect("deallocate")
    reader.accept("prepare")
    name = reader.identifier()

    def action() -> None:
        if name == "all":
            session.prepared.clear()
        elif session.prepared.pop(name, None) is None:
            raise SqlError("26000", f'prepared statement "{name}" does not exist')

    return Plan("DEALLOCATE", action=action, transactional=False)


def plan_discard(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DISCARD is PostgreSQL's, not Redshift's."""
    raise SqlError("42601", "syntax error at or near DISCARD")


def plan_declare(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DECLARE name CURSOR FOR query; the rows are kept as they are now until CLOSE or the end of the session."""
    reader.expect("declare")
    name = reader.identifier()
    reader.expect("cursor")
    if not reader.accept("for"):
        reader.accept("with hold") or reader.accept("without hold")
        reader.expect("for")
    query = reader.rest()
    if len(split_statements(query)) != 1:
        raise syntax_error("syntax error: a cursor is for one query")
    plan = session.plan(query, arguments)
    if plan.query is None:
        raise syntax_error("syntax error: a cursor is for a query")

    def action() -> None:
        table = f"cursor_{name}"
        session.run(
            f'create or replace temp table "{table}" as select row_number() over () as "cursor row", * '  # noqa: S608
            f"from ({plan.query}) rows"
        )
        session.cursors[name] = (table, 0)

    return Plan("DECLARE CURSOR", action=action)


def plan_fetch(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """FETCH [FORWARD] [NEXT | ALL | count] FROM cursor."""
    reader.expect("fetch")
    reader.accept("forward")
    count: int | None = 1
    if reader.is_number():
        count = reader.number()
    elif reader.accept("all"):
        count = None
    else:
        reader.accept("next")
    if not reader.accept("from"):
        reader.accept("in")
    name = reader.identifier()
    if name not in session.cursors:
        raise SqlError("34000", f'cursor "{name}" does not exist')
    table, position = session.cursors[name]
    last = position + count if count is not None else 2**62
    session.cursors[name] = (table, last)
    columns = [f'"{row[0]}"' for row in session.fetch_all(f'describe "{table}"') if row[0] != "cursor row"]
    return Plan(
        "FETCH",
        query=f'select {", ".join(columns)} from "{table}" '  # noqa: S608 names from the catalog, quoted
        f'where "cursor row" > {position} and "cursor row" <= {last} order by "cursor row"',
    )


def plan_close(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CLOSE cursor."""
    reader.expect("close")
    name = reader.identifier()

    def action() -> None:
        found = session.cursors.pop(name, None)
        if found is None:
            raise SqlError("34000", f'cursor "{name}" does not exist')
        session.run(f'drop table if exists "{found[0]}"')

    return Plan("CLOSE CURSOR", action=action)
