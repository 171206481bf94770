"""What names mean in a session: system views, late-binding views, external tables, functions of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from localcloud.engines.sql.dialect import parse
from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.translate import translate

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session

_MAXIMUM_DEPTH = 32


class SessionRelations:
    """The names of one session, read from the catalog for each statement, so that its own transaction is seen."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._system: frozenset[str] | None = None
        self._depth = 0

    def _system_views(self) -> frozenset[str]:
        if self._system is None:
            rows = self._session.connection.execute(
                "select view_name from duckdb_views() where database_name = ? and schema_name = 'pg_internal'",
                [self._session.database],
            ).fetchall()
            self._system = frozenset(name for (name,) in rows)
        return self._system

    def system_relation(self, schema: str | None, name: str) -> Any | None:
        """The table of the system catalog that a name means, or None. Raises SqlError for internal tables."""
        from localcloud.engines.sql.spectrum.catalog_views import DYNAMIC, dynamic_relation

        if schema == "pg_internal":
            raise SqlError("42501", "permission denied for schema pg_internal")
        if schema not in (None, "pg_catalog", "information_schema"):
            return None
        if schema != "information_schema" and name in DYNAMIC:
            query = dynamic_relation(self._session, name)
            query.meta["translated"] = True
            return exp.Subquery(this=query)
        if name.endswith("()"):
            return None
        view = f"information_schema.{name}" if schema == "information_schema" else name
        views = self._system_views()
        public = ("pg_", "svv_", "svl_", "stl_", "stv_", "sys_", "svcs_")
        known = view in views and (schema == "information_schema" or view.startswith(public))
        if not known:
            if schema is None:
                return None
            raise SqlError("42P01", f'relation "{schema}.{name}" does not exist')
        return exp.table_(view, db="pg_internal", catalog=self._session.database, quoted=True)

    def replacement(self, table: Any) -> Any | None:
        """The translated query behind a late-binding view or an external table; None for other relations."""
        schema, name = table.db or None, table.name
        session = self._session
        if table.catalog and table.catalog not in (session.database, "awsdatacatalog"):
            return None
        schemas = [schema] if schema else session.settings.schemas()
        for candidate in schemas:
            definition = self._late_binding(candidate, name)
            if definition is not None:
                return self._expand(candidate, name, definition)
            if schema:
                external = self.external_schema(candidate)
                if external is not None:
                    lake = session.warehouse.lake
                    if lake is None:
                        raise SqlError("0A000", "this warehouse was started without a data catalog")
                    return lake.scan(external, name, pseudo_columns=_asks_for_pseudo_columns(table))
        return None

    def _late_binding(self, schema: str, name: str) -> str | None:
        rows = self._session.connection.execute(
            f'select definition from "{self._session.database}".pg_internal.relations '  # noqa: S608 names are quoted
            "where schema_name = ? and relation_name = ? and kind = 'late_binding'",
            [schema, name],
        ).fetchall()
        return str(rows[0][0]) if rows else None

    def _expand(self, schema: str, name: str, definition: str) -> Any:
        if self._depth >= _MAXIMUM_DEPTH:
            raise SqlError("54001", f'the view "{schema}.{name}" refers to itself')
        self._depth += 1
        try:
            return translate(parse(definition), self._session.scope)
        finally:
            self._depth -= 1

    def external_schema(self, schema: str) -> tuple[str, str, str, str | None] | None:
        """(schema, Glue database, role, region) of an external schema, or None."""
        rows = self._session.connection.execute(
            "select schema_name, glue_database, role_arn, region "  # noqa: S608 the name is quoted
            f'from "{self._session.database}".pg_internal.external_schemas '
            "where schema_name = ?",
            [schema],
        ).fetchall()
        return rows[0] if rows else None

    def user_function(self, schema: str | None, name: str) -> str | None:
        """The DuckDB macro behind a function of the user's, of the search path without a schema; or None."""
        home = f'"{self._session.database}".pg_internal'
        for candidate in [schema] if schema else self._session.settings.schemas():
            row = self._session.connection.execute(
                f"select macro_name from {home}.functions where schema_name = ? and function_name = ?",  # noqa: S608
                [candidate, name],
            ).fetchone()
            if row:
                return f"{home}.{row[0]}"
        return None

    def setting(self, name: str) -> str:
        """The value of a parameter of the session. Raises SqlError (42704)."""
        return self._session.settings.show(name)

    def types_of(self, query: str) -> list[str] | None:
        """The engine's types of a DuckDB query's columns; None when it cannot be bound."""
        try:
            # A relation is bound and not run, and its failure, unlike a statement's, does not end the transaction.
            return [str(kind) for kind in self._session.connection.sql(query).types]
        except duckdb.Error:
            return None

    def end_session(self, pid: int) -> bool:
        """Interrupt another session and close its connection; whether there was one. Superusers only, or one's own."""
        warehouse = self._session.warehouse
        other = warehouse.sessions.get(pid)
        if other is None or other is self._session:
            return False
        me = warehouse.users.get(self._session.user)
        if other.user != self._session.user and not (me and me.superuser):
            raise SqlError("42501", "must be superuser to signal other server processes")
        other.terminate()
        return True


def _asks_for_pseudo_columns(table: Any) -> bool:
    return any(name.this in ("$path", "$size") for name in table.root().find_all(exp.Identifier))
