"""Statements by their first words: each is planned by the room that it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from localcloud.engines.sql.errors import unsupported
from localcloud.engines.sql.statements import (
    control,
    functions,
    maintenance,
    materialized,
    privileges,
    queries,
    schemas,
    sessions,
    show,
    tables,
    transfers,
    users,
    views,
)
from localcloud.engines.sql.tokens import TokenReader

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Plan, Session

Planner = Callable[["Session", TokenReader, list[Any]], "Plan"]

# The longest match wins.
_PLANNERS: dict[tuple[str, ...], Planner] = {
    ("select",): queries.plan_query,
    ("with",): queries.plan_query,
    ("values",): queries.plan_query,
    ("(",): queries.plan_query,
    ("explain",): queries.plan_explain,
    ("insert",): queries.plan_insert,
    ("update",): queries.plan_change,
    ("delete",): queries.plan_change,
    ("merge",): queries.plan_change,
    ("truncate",): queries.plan_truncate,
    ("begin",): sessions.plan_begin,
    ("start", "transaction"): sessions.plan_begin,
    ("commit",): sessions.plan_commit,
    ("end",): sessions.plan_commit,
    ("rollback",): sessions.plan_rollback,
    ("abort",): sessions.plan_rollback,
    ("set",): sessions.plan_set,
    ("reset",): sessions.plan_reset,
    ("lock",): sessions.plan_lock,
    ("prepare",): sessions.plan_prepare,
    ("execute",): sessions.plan_execute,
    ("deallocate",): sessions.plan_deallocate,
    ("discard",): sessions.plan_discard,
    ("declare",): sessions.plan_declare,
    ("fetch",): sessions.plan_fetch,
    ("close",): sessions.plan_close,
    ("show",): show.plan_show,
    ("create", "table"): tables.plan_create,
    ("create", "temp"): tables.plan_create,
    ("create", "temporary"): tables.plan_create,
    ("create", "local"): tables.plan_create,
    ("create", "external", "table"): transfers.plan_create_external_table,
    ("alter", "table"): tables.plan_alter,
    ("drop", "table"): tables.plan_drop,
    ("create", "view"): views.plan_create,
    ("create", "or", "replace", "view"): views.plan_create,
    ("create", "materialized"): materialized.plan_create,
    ("refresh", "materialized"): materialized.plan_refresh,
    ("alter", "materialized"): materialized.plan_alter,
    ("drop", "view"): views.plan_drop,
    ("drop", "materialized"): views.plan_drop,
    ("create", "schema"): schemas.plan_create,
    ("create", "external", "schema"): schemas.plan_create_external,
    ("alter", "schema"): schemas.plan_alter,
    ("drop", "schema"): schemas.plan_drop,
    ("create", "database"): schemas.plan_create_database,
    ("drop", "database"): schemas.plan_drop_database,
    ("create", "user"): users.plan_create_user,
    ("alter", "user"): users.plan_alter_user,
    ("drop", "user"): users.plan_drop_user,
    ("create", "group"): users.plan_create_group,
    ("alter", "group"): users.plan_alter_group,
    ("drop", "group"): users.plan_drop_group,
    ("create", "role"): users.plan_create_role,
    ("drop", "role"): users.plan_drop_role,
    ("grant",): privileges.plan_grant,
    ("revoke",): privileges.plan_grant,
    ("create", "function"): functions.plan_create,
    ("create", "or", "replace", "function"): functions.plan_create,
    ("drop", "function"): functions.plan_drop,
    ("comment", "on"): maintenance.plan_comment,
    ("analyze",): maintenance.plan_maintenance,
    ("vacuum",): maintenance.plan_maintenance,
    ("copy",): transfers.plan_copy,
    ("unload",): transfers.plan_unload,
    ("backup", "database"): control.plan_backup,
    ("restore", "database"): control.plan_restore,
    ("drop", "backup"): control.plan_drop_backup,
    ("empty", "database"): control.plan_empty,
    ("login", "as"): control.plan_login,
}
_LONGEST = max(map(len, _PLANNERS))


def plan_statement(session: Session, sql: str, arguments: list[Any]) -> Plan:
    """What one statement will do. Raises SqlError, 0A000 for a statement that this warehouse does not have."""
    reader = TokenReader(sql)
    for length in range(_LONGEST, 0, -1):
        planner = _PLANNERS.get(reader.words(length)) if length <= len(reader.tokens) else None
        if planner is not None:
            return planner(session, reader, arguments)
    raise unsupported(f"The statement {' '.join(reader.words(2)).upper()}")
