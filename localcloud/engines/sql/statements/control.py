"""What only the control plane says, as the user ``rdsdb``: no statement of Redshift's, which does this by its API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from localcloud.engines.sql import backups
from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.tokens import TokenReader
from localcloud.engines.sql.warehouse import SYSTEM_USER

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


def plan_backup(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """BACKUP DATABASE name TO 'copy'."""
    reader.expect("backup", "database")
    database = reader.identifier()
    reader.expect("to")
    copy = reader.string()
    reader.finish()
    return _plan(session, "BACKUP", lambda: backups.take(session.warehouse, database, copy))


def plan_restore(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """RESTORE DATABASE name FROM 'copy'; the database's sessions are ended by who asks."""
    reader.expect("restore", "database")
    database = reader.identifier()
    reader.expect("from")
    copy = reader.string()
    reader.finish()
    return _plan(session, "RESTORE", lambda: backups.restore(session.warehouse, database, copy))


def plan_drop_backup(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DROP BACKUP 'copy'."""
    reader.expect("drop", "backup")
    copy = reader.string()
    reader.finish()
    return _plan(session, "DROP BACKUP", lambda: backups.drop(session.warehouse, copy))


def plan_empty(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """EMPTY DATABASE name: what a new one holds."""
    reader.expect("empty", "database")
    database = reader.identifier()
    reader.finish()
    return _plan(session, "EMPTY DATABASE", lambda: session.warehouse.replace_database(database, None))


def plan_login(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """LOGIN AS user PASSWORD 'text' UNTIL 'time': a second, temporary password, for the login `IAM:user`."""
    reader.expect("login", "as")
    user = reader.identifier()
    reader.expect("password")
    password = reader.string()
    reader.expect("until")
    until = reader.string()
    reader.finish()
    return _plan(session, "LOGIN", lambda: session.warehouse.set_temporary_password(user, password, until))


def _plan(session: Session, tag: str, action: Callable[[], None]) -> Plan:
    if session.user != SYSTEM_USER:
        raise SqlError("42501", f"must be {SYSTEM_USER} to run {tag}")
    return Plan(tag, action=action, transactional=False)
