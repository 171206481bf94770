"""Users, groups and roles. They belong to the warehouse, not to a database, and to no transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.engines.sql.errors import SqlError, unsupported
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.tokens import TokenReader
from localcloud.engines.sql.warehouse import SYSTEM_USER, User, password_hash

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


def _require_superuser(session: Session) -> None:
    user = session.warehouse.users.get(session.user)
    if user is None or not user.superuser:
        raise SqlError("42501", "permission denied: only superusers can change users")


def _options(reader: TokenReader, user: User, warehouse: Any) -> None:
    reader.accept("with")
    while not reader.done:
        if reader.accept("password"):
            user.password = None if reader.accept("disable") else password_hash(user.name, reader.string())
        elif reader.accept("createdb"):
            user.create_database = True
        elif reader.accept("nocreatedb"):
            user.create_database = False
        elif reader.accept("createuser"):
            user.superuser = True
        elif reader.accept("nocreateuser"):
            user.superuser = False
        elif reader.accept("valid", "until"):
            until = reader.string()
            user.valid_until = None if until == "infinity" else until
        elif reader.accept("in", "group"):
            group = reader.identifier()
            if group not in warehouse.groups:
                raise SqlError("42704", f'group "{group}" does not exist')
            user.groups.append(group)
        else:
            raise unsupported(f"The user option {' '.join(reader.words(1)).upper()}")


def plan_create_user(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE USER name PASSWORD '...' and options."""
    reader.expect("create", "user")
    name = reader.identifier()

    def action() -> None:
        _require_superuser(session)
        warehouse = session.warehouse
        if name in warehouse.users:
            raise SqlError("42710", f'user "{name}" already exists')
        user = User(name, warehouse.next_id())
        _options(reader, user, warehouse)
        warehouse.users[name] = user
        warehouse.save_users()

    return Plan("CREATE USER", action=action, transactional=False)


def plan_alter_user(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """ALTER USER name and options."""
    reader.expect("alter", "user")
    name = reader.identifier()

    def action() -> None:
        if name != session.user:
            _require_superuser(session)
        user = session.warehouse.users.get(name)
        if user is None:
            raise SqlError("42704", f'user "{name}" does not exist')
        _options(reader, user, session.warehouse)
        session.warehouse.save_users()

    return Plan("ALTER USER", action=action, transactional=False)


def plan_drop_user(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DROP USER [IF EXISTS] names."""
    reader.expect("drop", "user")
    skip_missing = reader.accept("if", "exists")
    names = [reader.identifier()]
    while reader.accept(","):
        names.append(reader.identifier())
    reader.finish()

    def action() -> None:
        _require_superuser(session)
        for name in names:
            if name == SYSTEM_USER or (name not in session.warehouse.users and not skip_missing):
                raise SqlError("42704", f'user "{name}" does not exist or cannot be dropped')
            session.warehouse.users.pop(name, None)
        session.warehouse.save_users()

    return Plan("DROP USER", action=action, transactional=False)


def plan_create_group(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE GROUP name [WITH USER names]."""
    reader.expect("create", "group")
    name = reader.identifier()
    members = _members(reader) if reader.accept("with") and (reader.accept("user") or True) else []

    def action() -> None:
        _require_superuser(session)
        warehouse = session.warehouse
        if name in warehouse.groups:
            raise SqlError("42710", f'group "{name}" already exists')
        warehouse.groups[name] = warehouse.next_id()
        _join(session, name, members)

    return Plan("CREATE GROUP", action=action, transactional=False)


def _members(reader: TokenReader) -> list[str]:
    names = [reader.identifier()]
    while reader.accept(","):
        names.append(reader.identifier())
    reader.finish()
    return names


def _join(session: Session, group: str, members: list[str]) -> None:
    for member in members:
        user = session.warehouse.users.get(member)
        if user is None:
            raise SqlError("42704", f'user "{member}" does not exist')
        if group not in user.groups:
            user.groups.append(group)
    session.warehouse.save_users()


def plan_alter_group(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """ALTER GROUP name ADD | DROP USER names."""
    reader.expect("alter", "group")
    name = reader.identifier()
    adding = reader.accept("add")
    if not adding and not reader.accept("drop"):
        raise unsupported("ALTER GROUP ... RENAME")
    reader.expect("user")
    members = _members(reader)

    def action() -> None:
        _require_superuser(session)
        if name not in session.warehouse.groups:
            raise SqlError("42704", f'group "{name}" does not exist')
        if adding:
            _join(session, name, members)
            return
        for member in members:
            user = session.warehouse.users.get(member)
            if user and name in user.groups:
                user.groups.remove(name)
        session.warehouse.save_users()

    return Plan("ALTER GROUP", action=action, transactional=False)


def plan_drop_group(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DROP GROUP name."""
    reader.expect("drop", "group")
    return _drop_named(session, reader, "group", session.warehouse.groups)


def plan_create_role(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE ROLE name."""
    reader.expect("create", "role")
    name = reader.identifier()
    reader.finish()

    def action() -> None:
        _require_superuser(session)
        if name in session.warehouse.roles:
            raise SqlError("42710", f'role "{name}" already exists')
        session.warehouse.roles[name] = session.warehouse.next_id()
        session.warehouse.save_users()

    return Plan("CREATE ROLE", action=action, transactional=False)


def plan_drop_role(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DROP ROLE name [FORCE | RESTRICT]."""
    reader.expect("drop", "role")
    return _drop_named(session, reader, "role", session.warehouse.roles)


def _drop_named(session: Session, reader: TokenReader, kind: str, known: dict[str, int]) -> Plan:
    skip_missing = reader.accept("if", "exists")
    name = reader.identifier()
    reader.accept("force") or reader.accept("restrict")
    reader.finish()

    def action() -> None:
        _require_superuser(session)
        if known.pop(name, None) is None and not skip_missing:
            raise SqlError("42704", f'{kind} "{name}" does not exist')
        session.warehouse.save_users()

    return Plan(f"DROP {kind.upper()}", action=action, transactional=False)
