"""Schemas, external schemas and databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.engines.sql.errors import SqlError, unsupported
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.statements import dependents
from localcloud.engines.sql.tokens import Name, TokenReader

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


def _exists(session: Session, schema: str) -> bool:
    return (
        session.connection.execute(
            "select 1 from duckdb_schemas() where database_name = ? and schema_name = ?", [session.database, schema]
        ).fetchone()
        is not None
    )


def _create(session: Session, schema: str, owner: str | None) -> None:
    if schema.startswith("pg_"):
        raise SqlError("42939", f'unacceptable schema name "{schema}": the prefix "pg_" is reserved')
    session.run(f'create schema "{session.database}"."{schema}"')
    session.run(
        f'insert into "{session.database}".pg_internal.schema_owners values (?, ?)',  # noqa: S608
        [schema, owner or session.user],
    )
    session.settings.apply_search_path()


def plan_create(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION user] [QUOTA ...]."""
    reader.expect("create", "schema")
    skip_existing = reader.accept("if", "not", "exists")
    owner = reader.identifier() if reader.accept("authorization") else None
    name = owner if owner is not None else reader.name().name
    if owner is None and reader.accept("authorization"):
        owner = reader.identifier()
    if reader.accept("quota"):
        reader.accept("unlimited") or (reader.number(), reader.identifier())
    reader.finish()

    def action() -> None:
        if _exists(session, name):
            if skip_existing:
                return
            raise SqlError("42P06", f'Schema "{name}" already exists')
        _create(session, name, owner)

    return Plan("CREATE SCHEMA", action=action)


def plan_create_external(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE EXTERNAL SCHEMA ... FROM DATA CATALOG."""
    reader.expect("create", "external", "schema")
    skip_existing = reader.accept("if", "not", "exists")
    name = reader.identifier()
    reader.expect("from")
    if not reader.accept("data", "catalog"):
        raise unsupported(f"An external schema from {' '.join(reader.words(2)).upper()}")
    reader.expect("database")
    database = reader.string()
    region: str | None = None
    role: str | None = None
    create_database = False
    while not reader.done:
        if reader.accept("iam_role"):
            role = reader.string() if reader.is_string() else reader.identifier()
        elif reader.accept("region"):
            region = reader.string()
        elif reader.accept("create", "external", "database"):
            reader.expect("if", "not", "exists")
            create_database = True
        else:
            raise unsupported(f"CREATE EXTERNAL SCHEMA ... {' '.join(reader.words(2)).upper()}")
    if role is None or not role.startswith("arn:"):
        raise SqlError("42601", "CREATE EXTERNAL SCHEMA needs IAM_ROLE 'arn:aws:iam::<account>:role/<name>'")
    role_arn = role

    def action() -> None:
        if _exists(session, name):
            if skip_existing:
                return
            raise SqlError("42P06", f'Schema "{name}" already exists')
        lake = session.warehouse.lake
        if lake is None:
            raise SqlError("0A000", "this warehouse was started without a data catalog")
        if create_database:
            lake.create_database(role_arn, region, database)
        _create(session, name, None)
        session.run(
            f'insert into "{session.database}".pg_internal.external_schemas values (?, ?, ?, ?, ?)',  # noqa: S608
            [name, database, role_arn, region, session.user],
        )

    return Plan("CREATE SCHEMA", action=action)


def plan_alter(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """ALTER SCHEMA ... OWNER TO."""
    reader.expect("alter", "schema")
    name = reader.identifier()
    if not reader.accept("owner", "to"):
        raise unsupported(f"ALTER SCHEMA ... {' '.join(reader.words(2)).upper()}")
    owner = reader.identifier()
    reader.finish()

    def action() -> None:
        if not _exists(session, name):
            raise SqlError("3F000", f'schema "{name}" does not exist')
        home = f'"{session.database}".pg_internal.schema_owners'
        session.run(f"delete from {home} where schema_name = ?", [name])  # noqa: S608
        session.run(f"insert into {home} values (?, ?)", [name, owner])  # noqa: S608

    return Plan("ALTER SCHEMA", action=action)


def plan_drop(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DROP SCHEMA [IF EXISTS] names [CASCADE | RESTRICT], external schemas too."""
    reader.expect("drop", "schema")
    skip_missing = reader.accept("if", "exists")
    names = [reader.name().name]
    while reader.accept(","):
        names.append(reader.name().name)
    if reader.accept("drop", "external", "database"):
        raise unsupported("DROP EXTERNAL DATABASE")
    cascade = reader.accept("cascade")
    if not cascade:
        reader.accept("restrict")
    reader.finish()

    def action() -> None:
        for name in names:
            _drop(session, name, cascade, skip_missing)

    return Plan("DROP SCHEMA", action=action)


def _drop(session: Session, name: str, cascade: bool, skip_missing: bool) -> None:
    if not _exists(session, name):
        if skip_missing:
            return
        raise SqlError("3F000", f'schema "{name}" does not exist')
    home = f'"{session.database}".pg_internal'
    relations = session.fetch_all(
        f"select relation_name, kind from {home}.all_relations where schema_name = ?",  # noqa: S608
        [name],
    )
    if relations and not cascade:
        raise SqlError(
            "2BP01",
            f"cannot drop schema {name} because other objects depend on it",
            hint="Use DROP ... CASCADE to drop the dependent objects too.",
        )
    for relation, _ in relations:
        found = dependents.kind_of(session, name, relation)
        if found is None:
            continue
        place = Name(relation, name)
        if found[1] == "table":
            dependents.drop_table(session, place, cascade=True, skip_missing=True)
        else:
            dependents.drop_view(
                session, place, cascade=True, skip_missing=True, materialized=found[1] == "materialized"
            )
    session.run(f'drop schema "{session.database}"."{name}" cascade')
    for table in ("schema_owners", "external_schemas"):
        session.run(f"delete from {home}.{table} where schema_name = ?", [name])  # noqa: S608
    session.run(f"delete from {home}.privileges where schema_name = ?", [name])  # noqa: S608
    session.run(f"delete from {home}.functions where schema_name = ?", [name])  # noqa: S608
    session.settings.apply_search_path()


def plan_create_database(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE DATABASE name [OWNER ...]; not inside of a transaction."""
    reader.expect("create", "database")
    name = reader.identifier()
    reader.accept("with")
    if reader.accept("owner"):
        reader.accept("=")
        reader.identifier()
    reader.finish()

    def action() -> None:
        if session.in_transaction:
            raise SqlError("25001", "CREATE DATABASE cannot run inside a transaction block")
        session.warehouse.create_database(name)

    return Plan("CREATE DATABASE", action=action, transactional=False)


def plan_drop_database(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DROP DATABASE name; not inside of a transaction."""
    reader.expect("drop", "database")
    name = reader.identifier()
    reader.finish()

    def action() -> None:
        if session.in_transaction:
            raise SqlError("25001", "DROP DATABASE cannot run inside a transaction block")
        session.warehouse.drop_database(name)

    return Plan("DROP DATABASE", action=action, transactional=False)
