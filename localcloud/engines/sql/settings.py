"""The parameters of a session: SET, SHOW and RESET."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.engines.sql.errors import SqlError, unsupported

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session

# Defaults of Redshift ("Configuration reference"). Those in _LABELS change no result: they are kept and shown.
_DEFAULTS = {
    "search_path": '"$user", public',
    "timezone": "UTC",
    "query_group": "default",
    "client_encoding": "UTF8",
    "datestyle": "ISO, MDY",
    "extra_float_digits": "0",
    "statement_timeout": "0",
    "standard_conforming_strings": "on",
    "application_name": "",
    "enable_result_cache_for_session": "on",
    "enable_case_sensitive_identifier": "off",
    "describe_field_name_in_uppercase": "off",
    "json_serialization_enable": "off",
    "json_serialization_parse_nested_strings": "off",
    "analyze_threshold_percent": "10",
    "wlm_query_slot_count": "1",
    "mv_enable_aqmv_for_session": "on",
    "transaction_isolation": "SERIALIZABLE",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "off",
    "session_authorization": "default",
    "server_version": "8.0.2",
    "is_superuser": "on",
    "client_min_messages": "notice",
    "intervalstyle": "postgres",
    "bytea_output": "escape",
}
_LABELS = frozenset(
    [
        "query_group",
        "application_name",
        "extra_float_digits",
        "enable_result_cache_for_session",
        "analyze_threshold_percent",
        "wlm_query_slot_count",
        "mv_enable_aqmv_for_session",
        "client_min_messages",
        "json_serialization_enable",
        "json_serialization_parse_nested_strings",
    ]
)
_FIXED_VALUES = {
    "client_encoding": {"utf8", "utf-8", "unicode"},
    "datestyle": {"iso", "iso, mdy", "iso,mdy"},
    "standard_conforming_strings": {"on"},
    "enable_case_sensitive_identifier": {"off", "false"},
    "describe_field_name_in_uppercase": {"off", "false"},
    "transaction_isolation": {"serializable"},
    "default_transaction_isolation": {"serializable"},
    "default_transaction_read_only": {"off", "false"},
    "intervalstyle": {"postgres"},
    "bytea_output": {"escape", "hex"},
}


class Settings:
    """The settings of one session. ``options`` are those that a client gives when it connects."""

    def __init__(self, session: Session, options: dict[str, str]) -> None:
        self._session = session
        self._values = dict(_DEFAULTS)
        self.current_schema = "public"
        for name, value in options.items():
            if name in _LABELS or name in ("search_path", "timezone"):
                self._values[name] = value

    def show(self, name: str) -> str:
        """The value of a parameter. Raises SqlError (42704)."""
        try:
            return self._values[name.lower()]
        except KeyError:
            raise SqlError("42704", f'unrecognized configuration parameter "{name}"') from None

    def items(self) -> list[tuple[str, str]]:
        """All parameters."""
        return sorted(self._values.items())

    def set(self, name: str, value: str | None) -> None:
        """Change a parameter; None gives the default. A value that this warehouse does not have is refused."""
        name = name.lower()
        if name not in _DEFAULTS:
            raise SqlError("42704", f'unrecognized configuration parameter "{name}"')
        new = _DEFAULTS[name] if value is None or value.lower() == "default" else value
        allowed = _FIXED_VALUES.get(name)
        if allowed is not None and new.lower() not in allowed:
            raise unsupported(f"SET {name} TO {new}")
        if name == "timezone":
            self._session.connection.execute("set timezone = '" + new.replace("'", "''") + "'")
        elif name == "statement_timeout" and not new.isdigit():
            raise SqlError("22023", f"statement_timeout takes milliseconds, not {new!r}")
        elif name in ("server_version", "is_superuser", "session_authorization"):
            raise SqlError("55P02", f'parameter "{name}" cannot be changed')
        self._values[name] = new
        if name == "search_path":
            self.apply_search_path()

    def reset_all(self) -> None:
        """Give every parameter its default."""
        self._values = dict(_DEFAULTS)
        self.apply_search_path()

    def schemas(self) -> list[str]:
        """The schemas of the search path, ``$user`` in place."""
        names = [part.strip().strip('"').lower() for part in self._values["search_path"].split(",")]
        return [self._session.user if name == "$user" else name for name in names if name]

    def apply_search_path(self) -> None:
        """Let unqualified names mean what the search path says: existing schemas only, in its order."""
        session = self._session
        existing = {
            row[0]
            for row in session.connection.execute(
                "select schema_name from duckdb_schemas() where database_name = ?", [session.database]
            ).fetchall()
        }
        found = [name for name in self.schemas() if name in existing]
        self.current_schema = found[0] if found else "public"
        path = ",".join(f'"{session.database}"."{name}"'.replace("'", "''") for name in found or ["main"])
        session.connection.execute(f"set search_path = '{path}'")
        session.connection.execute("set variable search_path = '" + ",".join(found).replace("'", "''") + "'")
