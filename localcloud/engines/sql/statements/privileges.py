"""GRANT and REVOKE, kept in the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.engines.sql.errors import SqlError, unsupported
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.statements import dependents
from localcloud.engines.sql.tokens import Name, TokenReader

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session

_ALL = {
    "table": ["SELECT", "INSERT", "UPDATE", "DELETE", "DROP", "REFERENCES", "ALTER", "TRUNCATE"],
    "schema": ["CREATE", "USAGE"],
    "database": ["CREATE", "TEMPORARY", "USAGE"],
    "function": ["EXECUTE"],
}


def plan_grant(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """GRANT and REVOKE of privileges on tables, schemas, databases and functions, and of roles."""
    granting = reader.accept("grant")
    if not granting:
        reader.expect("revoke")
        reader.accept("grant", "option", "for")
    tag = "GRANT" if granting else "REVOKE"
    words: list[str] = []
    while not reader.done and reader.words(1) not in (("on",), ("to",), ("from",)):
        if not reader.accept(","):
            words.append(reader.identifier())
    if words and words[0] == "role":
        return _grant_role(session, reader, words[1:], granting)
    reader.expect("on")
    kind, objects = _objects(session, reader)
    reader.expect("to" if granting else "from")
    grantees = _grantees(reader)
    option = reader.accept("with", "grant", "option")
    reader.accept("cascade") or reader.accept("restrict")
    reader.finish()
    named = [word.upper() for word in words if word != "privileges"]
    privileges = _ALL[kind] if named == ["ALL"] else ["TEMPORARY" if word == "TEMP" else word for word in named]

    def action() -> None:
        for grantee_type, grantee in grantees:
            _check_grantee(session, grantee_type, grantee)
            for schema, name in _expanded(session, kind, objects):
                for privilege in privileges:
                    _change(session, granting, (kind, schema, name, grantee, grantee_type, privilege), option)

    return Plan(tag, action=action)


def _objects(session: Session, reader: TokenReader) -> tuple[str, list[Name]]:
    if reader.accept("all", "tables", "in", "schema"):
        return "table", [Name("*", reader.identifier())]
    for kind in ("schema", "database", "function", "procedure"):
        if reader.accept(kind):
            names = [_object(reader, kind)]
            while reader.accept(","):
                names.append(_object(reader, kind))
            return ("function" if kind == "procedure" else kind), names
    if reader.words(1)[0] in ("language", "datashare", "model", "copy"):
        raise unsupported(f"GRANT on {reader.words(1)[0].upper()}")
    reader.accept("table")
    names = [reader.name()]
    while reader.accept(","):
        names.append(reader.name())
    return "table", names


def _object(reader: TokenReader, kind: str) -> Name:
    name = reader.name()
    if kind in ("function", "procedure") and reader.at_parenthesis():
        reader.parenthesized()
    return name


def _grantees(reader: TokenReader) -> list[tuple[str, str]]:
    found = [_grantee(reader)]
    while reader.accept(","):
        found.append(_grantee(reader))
    return found


def _grantee(reader: TokenReader) -> tuple[str, str]:
    if reader.accept("public"):
        return "public", "public"
    for kind in ("group", "role", "user"):
        if reader.accept(kind):
            return kind, reader.identifier()
    return "user", reader.identifier()


def _check_grantee(session: Session, kind: str, name: str) -> None:
    warehouse = session.warehouse
    kinds: dict[str, Any] = {"user": warehouse.users, "group": warehouse.groups, "role": warehouse.roles}
    known = kinds.get(kind, {})
    if kind != "public" and name not in known:
        raise SqlError("42704", f'{kind} "{name}" does not exist')


def _expanded(session: Session, kind: str, objects: list[Name]) -> list[tuple[str, str]]:
    places: list[tuple[str, str]] = []
    for name in objects:
        if kind == "schema":
            places.append((name.name, name.name))
        elif kind == "database":
            places.append(("", name.name))
        elif kind == "function":
            places.append((name.schema or "public", name.name))
        elif name.name == "*":
            rows = session.fetch_all(
                f'select relation_name from "{session.database}".pg_internal.all_relations where schema_name = ?',  # noqa: S608
                [name.schema],
            )
            places += [(name.schema or "", row[0]) for row in rows]
        else:
            found = dependents.kind_of(session, name.schema, name.name)
            if found is None:
                raise SqlError("42P01", f'relation "{name.name}" does not exist')
            places.append((found[0], name.name))
    return places


def _change(session: Session, granting: bool, key: tuple[str, ...], option: bool) -> None:
    home = f'"{session.database}".pg_internal.privileges'
    session.run(
        f"delete from {home} where object_kind = ? and schema_name = ? and object_name = ? and grantee = ? "  # noqa: S608
        "and grantee_type = ? and privilege = ?",
        list(key),
    )
    if granting:
        session.run(f"insert into {home} values (?, ?, ?, ?, ?, ?, ?, ?)", [*key, session.user, option])  # noqa: S608


def _grant_role(session: Session, reader: TokenReader, roles: list[str], granting: bool) -> Plan:
    reader.expect("to" if granting else "from")
    grantees = _grantees(reader)
    reader.finish()

    def action() -> None:
        warehouse = session.warehouse
        for kind, name in grantees:
            if kind != "user":
                raise unsupported("A role granted to another role")
            _check_grantee(session, kind, name)
            for role in roles:
                _check_grantee(session, "role", role)
                held = warehouse.users[name].roles
                if granting and role not in held:
                    held.append(role)
                elif not granting and role in held:
                    held.remove(role)
        warehouse.save_users()

    return Plan("GRANT" if granting else "REVOKE", action=action, transactional=False)
