"""SHOW: session parameters, and the metadata commands (SHOW SCHEMAS, TABLES, COLUMNS, GRANTS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.errors import SqlError, unsupported
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.statements import dependents
from localcloud.engines.sql.tokens import Name, TokenReader
from localcloud.engines.sql.translate import to_sql

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


def _literal(value: str) -> str:
    return to_sql(exp.Literal.string(value))


def plan_show(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """SHOW parameter, or one of the metadata commands."""
    reader.expect("show")
    for words, planner in _COMMANDS.items():
        if reader.accept(*words):
            return planner(session, reader)
    if reader.accept("all"):
        rows = ", ".join(f"({_literal(name)}, {_literal(value)})" for name, value in session.settings.items())
        return Plan("SHOW", query=f"select * from (values {rows}) s (name, setting)")  # noqa: S608
    name = "transaction_isolation" if reader.accept("transaction", "isolation", "level") else reader.identifier()
    if name == "time" and reader.accept("zone"):
        name = "timezone"
    reader.finish()
    value = exp.alias_(exp.Literal.string(session.settings.show(name)), name, quoted=True)
    return Plan("SHOW", query=to_sql(exp.select(value)))


def _filters(session: Session, reader: TokenReader, column: str) -> str:
    text = ""
    if reader.accept("like"):
        text += f" and {column} like {_literal(reader.string())}"
    if reader.accept("limit"):
        text += f" limit {reader.number()}"
    reader.finish()
    return text


def _database(session: Session, name: str | None) -> str:
    if name is not None and name != session.database:
        if name not in session.warehouse.databases():
            raise SqlError("3D000", f'database "{name}" does not exist')
        raise unsupported("The metadata of another database")
    return f'"{session.database}".pg_internal'


def _schemas(session: Session, reader: TokenReader) -> Plan:
    reader.expect("from", "database")
    home = _database(session, reader.identifier())
    rest = _filters(session, reader, "n.schema_name")
    return Plan(
        "SHOW",
        query=f"select current_database() as database_name, n.schema_name, n.owner as schema_owner, "  # noqa: S608
        f"case when e.schema_name is null then 'local' else 'external' end as schema_type, "
        f"cast(null as varchar) as schema_acl, e.glue_database as source_database, "
        f"cast(null as varchar) as schema_option from {home}.namespaces n "
        f"left join {home}.external_schemas e on e.schema_name = n.schema_name where true{rest}",
    )


def _databases(session: Session, reader: TokenReader) -> Plan:
    rest = _filters(session, reader, "database_name")
    home = _database(session, None)
    return Plan("SHOW", query=f"select * from {home}.svv_redshift_databases where true{rest}")  # noqa: S608


def _tables(session: Session, reader: TokenReader) -> Plan:
    reader.expect("from", "schema")
    name = reader.name()
    home = _database(session, name.schema)
    rest = _filters(session, reader, "table_name")
    return Plan(
        "SHOW",
        query=f"select * from (select current_database() as database_name, schema_name, "  # noqa: S608
        f"relation_name as table_name, case when kind = 'table' then 'TABLE' else 'VIEW' end as table_type, "
        f"cast(null as varchar) as table_acl, comment as remarks, owner, created as last_altered_time, "
        f"created as last_modified_time, diststyle as dist_style, case kind when 'table' then 'REGULAR TABLE' "
        f"when 'view' then 'REGULAR VIEW' when 'materialized' then 'MATERIALIZED VIEW' else 'LATE BINDING VIEW' end "
        f"as table_subtype from {home}.all_relations) t where schema_name = {_literal(name.name)}{rest}",
    )


def _columns(session: Session, reader: TokenReader) -> Plan:
    reader.expect("from", "table")
    name = reader.name()
    home = _database(session, name.database)
    rest = _filters(session, reader, "column_name")
    found = dependents.kind_of(session, name.schema, name.name)
    if found is None:
        raise SqlError("42P01", f'Table "{name.name}" does not exist')
    source = f"{home}.all_columns"
    if found[1] == "late_binding":
        source = f"({_late_binding_columns(session, Name(name.name, found[0]))})"
    return Plan(
        "SHOW",
        query=f"select current_database() as database_name, schema_name, relation_name as table_name, column_name, "  # noqa: S608
        f"cast(ordinal as integer) as ordinal_position, column_default, case when is_nullable then 'YES' else 'NO' end "
        f"as is_nullable, redshift_system.main.plain_type(declared_type) as data_type, "
        f"redshift_system.main.type_length(declared_type) as character_maximum_length, "
        f"redshift_system.main.type_precision(declared_type) as numeric_precision, "
        f"redshift_system.main.type_scale(declared_type) as numeric_scale, comment as remarks, "
        f"cast(null as integer) as sort_key_type, cast(null as integer) as sort_key, "
        f"cast(null as integer) as dist_key, encoding from {source} c where schema_name = {_literal(found[0])} "
        f"and relation_name = {_literal(name.name)}{rest} order by ordinal",
    )


def _late_binding_columns(session: Session, name: Name) -> str:
    from localcloud.engines.sql.spectrum.catalog_views import late_binding_columns

    rows = late_binding_columns(session, [(name.schema or "", name.name)])
    values = ", ".join(
        f"({_literal(schema)}, {_literal(view)}, {_literal(column)}, {_literal(kind)}, {ordinal})"
        for schema, view, column, kind, ordinal in rows
    )
    return (
        "select schema_name, relation_name, column_name, declared_type, ordinal, true as is_nullable, "  # noqa: S608
        "cast(null as varchar) as column_default, cast(null as varchar) as comment, cast(null as varchar) as encoding "
        f"from (values {values or '(null, null, null, null, null)'}) "
        "v (schema_name, relation_name, column_name, declared_type, ordinal)"
    )


def _grants(session: Session, reader: TokenReader) -> Plan:
    if reader.accept("for"):
        raise unsupported("SHOW GRANTS FOR")
    reader.expect("on")
    kind = "schema" if reader.accept("schema") else "table"
    if kind == "table":
        reader.accept("table")
    name = reader.name()
    home = _database(session, name.database if kind == "table" else name.schema)
    rest = _filters(session, reader, "p.grantee")
    schema = name.name if kind == "schema" else name.schema or "public"
    return Plan(
        "SHOW",
        query=f"select current_database() as database_name, p.schema_name, p.object_name, "  # noqa: S608
        f"upper(p.object_kind) as object_type, p.privilege as privilege_type, "
        f"coalesce(u.usesysid, 0) as identity_id, "
        f"case when p.grantee_type = 'group' then '/' || p.grantee else p.grantee end as identity_name, "
        f"case when p.grantee_type = 'group' then 'role' else p.grantee_type end as identity_type, "
        f"p.admin_option, 'TABLE' as privilege_scope, p.grantor as grantor_name from {home}.privileges p "
        f"left join redshift_system.main.users u on u.usename = p.grantee where p.object_kind = {_literal(kind)} "
        f"and p.schema_name = {_literal(schema)} and p.object_name = {_literal(name.name)}{rest}",
    )


_COMMANDS = {
    ("schemas",): _schemas,
    ("databases",): _databases,
    ("tables",): _tables,
    ("columns",): _columns,
    ("grants",): _grants,
}
