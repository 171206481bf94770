"""The warehouse: one DuckDB instance with a file a database, its users, and the sessions on it."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import secrets
import shutil
import subprocess
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.functions import scalar

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session
    from localcloud.engines.sql.spectrum.lake import Lake

log = logging.getLogger("localcloud.warehouse")
_PACKAGE = "localcloud.engines.sql"
SYSTEM_USER = "rdsdb"
DEFAULT_DATABASE = "dev"


@dataclass
class User:
    """A database user. ``password`` is ``md5`` and the MD5 of password and name, or None for a user without login.

    ``temporary_password`` is that of the login ``IAM:<name>``, which IAM's temporary credentials are for.
    """

    name: str
    id: int
    password: str | None = None
    superuser: bool = False
    create_database: bool = False
    valid_until: str | None = None
    temporary_password: str | None = None
    temporary_until: str | None = None
    groups: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)


def password_hash(user: str, password: str) -> str:
    """The form in which a password is kept and checked: ``md5<md5(password + user)>``, as PostgreSQL 8.0 does."""
    if password.startswith("md5") and len(password) == 35:
        return password
    return "md5" + hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()


class Warehouse:
    """Databases, users and running sessions.

    ``folder`` holds ``<database>.duckdb`` for each database and ``users.json`` (mode 0600). ``lake`` answers for
    external schemas, COPY and UNLOAD; without one these statements are refused.
    """

    def __init__(self, folder: Path, *, lake: Lake | None = None, memory_limit: str | None = None) -> None:
        self.folder = folder
        self.lake = lake
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._root = duckdb.connect(":memory:")
        self._root.execute("set python_enable_replacements = false")
        self._root.execute("set timezone = 'UTC'")
        self._root.execute("set enable_progress_bar = false")
        if memory_limit:
            self._root.execute(f"set memory_limit = '{memory_limit}'")
        self._root.execute("attach ':memory:' as redshift_system")
        scalar.register(self._root)
        self._run_script("functions", "macros.sql")
        self._run_script("catalog", "macros.sql")
        self._pids = itertools.count(1)
        self.sessions: dict[int, Session] = {}
        self.users: dict[str, User] = {}
        self.groups: dict[str, int] = {}
        self.roles: dict[str, int] = {}
        self.table_locks: dict[tuple[str, str, str], threading.RLock] = {}
        self._load_users()
        for path in sorted(folder.glob("*.duckdb")):
            self._attach(path.stem)
        if not self.databases():
            self.create_database(DEFAULT_DATABASE)
        self._catch_up_materialized_views()

    def _catch_up_materialized_views(self) -> None:
        from localcloud.engines.sql.statements import materialized

        for name in self.databases():
            session = self.open_session(SYSTEM_USER, name)
            materialized.catch_up(session)
            session.close()

    # Databases -----------------------------------------------------------------------------------------------------

    def databases(self) -> list[str]:
        """The names of the databases."""
        rows = self._cursor().execute("select database_name from duckdb_databases() where not internal").fetchall()
        return sorted(name for (name,) in rows if name not in ("memory", "redshift_system"))

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own: one that two threads use at once answers that it is busy."""
        with self._lock:
            return self._root.cursor()

    def create_database(self, name: str) -> None:
        """Create a database. Raises SqlError (42P04) when it is there."""
        with self._lock:
            if name in self.databases():
                raise SqlError("42P04", f'database "{name}" already exists')
            if not name.replace("_", "").replace("-", "").isalnum():
                raise SqlError("42602", f'invalid database name "{name}"')
            self._attach(name)

    def drop_database(self, name: str) -> None:
        """Delete a database and its file. Raises SqlError when it is missing or in use."""
        with self._lock:
            if name not in self.databases():
                raise SqlError("3D000", f'database "{name}" does not exist')
            if any(session.database == name for session in self.sessions.values()):
                raise SqlError("55006", f'database "{name}" is being accessed by other users')
            self._detach(name)

    def copy_to_file(self, name: str, file: Path) -> None:
        """Copy what is committed in a database into a file. Raises SqlError (55006) while transactions write to it."""
        with self._lock:
            cursor = self._cursor()
            try:
                # From one checkpoint to the next a database's file stays as it is but for blocks that it does not refer
                # to; what is committed meanwhile is in the file beside it.
                cursor.execute("set global checkpoint_threshold = '1TB'")
                try:
                    cursor.execute(f'checkpoint "{name}"')
                except duckdb.TransactionException as error:
                    raise SqlError("55006", f'database "{name}" is being written to: {error}') from error
                # By a process of its own: closing the file here would give up the engine's lock on it.
                subprocess.run(["cp", str(self.folder / f"{name}.duckdb"), str(file)], check=True)
            finally:
                cursor.execute("reset global checkpoint_threshold")
                cursor.close()

    def replace_database(self, name: str, file: Path | None) -> None:
        """Put a copy of a DuckDB file in the place of a database (None: an empty one); of users' sessions none may be
        on it. Raises SqlError when one is."""
        with self._lock:
            sessions = [session for session in self.sessions.values() if session.database == name]
            if any(session.user != SYSTEM_USER for session in sessions):
                raise SqlError("55006", f'database "{name}" is being accessed by other users')
            for session in sessions:
                session.connection.execute("use redshift_system.main")
            if name in self.databases():
                self._detach(name)
            if file is not None:
                shutil.copyfile(file, self.folder / f"{name}.duckdb")
            self._attach(name)
            for session in sessions:
                session.settings.apply_search_path()

    def _detach(self, name: str) -> None:
        self._root.execute(f'detach "{name}"')
        for file in (f"{name}.duckdb", f"{name}.duckdb.wal"):
            (self.folder / file).unlink(missing_ok=True)

    def _attach(self, name: str) -> None:
        path = str(self.folder / f"{name}.duckdb").replace("'", "''")
        self._root.execute(f"attach '{path}' as \"{name}\"")
        cursor = self._cursor()
        cursor.execute(f'use "{name}".main')
        cursor.execute("set variable search_path = 'public'")
        for file in ("tables.sql", "views.sql", "privileges.sql"):
            self._run_script("catalog", file, cursor)
        cursor.close()

    def _run_script(self, package: str, file: str, connection: Any = None) -> None:
        text = (resources.files(_PACKAGE) / package / file).read_text()
        connection = connection or self._root
        for statement in connection.extract_statements(text):
            connection.execute(statement)

    # Users ---------------------------------------------------------------------------------------------------------

    def _load_users(self) -> None:
        path = self.folder / "users.json"
        if path.exists():
            saved = json.loads(path.read_text())
            self.users = {name: User(**user) for name, user in saved["users"].items()}
            self.groups, self.roles = saved["groups"], saved["roles"]
        if SYSTEM_USER not in self.users:
            self.users[SYSTEM_USER] = User(SYSTEM_USER, 1, superuser=True, create_database=True)
        self._show_users()

    def save_users(self) -> None:
        """Write users, groups and roles down and show them in the catalog. They belong to no transaction."""
        with self._lock:
            path = self.folder / "users.json"
            state = {
                "users": {name: asdict(user) for name, user in self.users.items()},
                "groups": self.groups,
                "roles": self.roles,
            }
            temporary = path.with_suffix(f".{secrets.token_hex(4)}")
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(state, file)
            temporary.replace(path)
            self._show_users()

    def _show_users(self) -> None:
        cursor = self._cursor()
        cursor.execute("begin")
        for table in ("users", "groups", "roles"):
            cursor.execute(f"delete from redshift_system.main.{table}")  # noqa: S608 a fixed list
        for user in self.users.values():
            cursor.execute(
                "insert into redshift_system.main.users values (?, ?, ?, ?, null, ?, ?, ?)",
                [user.name, user.id, user.create_database, user.superuser, user.valid_until, user.groups, user.roles],
            )
        for name, number in self.groups.items():
            cursor.execute("insert into redshift_system.main.groups values (?, ?)", [name, number])
        for name, number in self.roles.items():
            cursor.execute("insert into redshift_system.main.roles values (?, ?, ?)", [name, number, SYSTEM_USER])
        cursor.execute("commit")
        cursor.close()

    def set_password(self, name: str, password: str, *, superuser: bool = False, create_database: bool = False) -> None:
        """Create a user, or change the password of one."""
        with self._lock:
            user = self.users.get(name) or User(name, self.next_id())
            user.password = password_hash(name, password)
            user.superuser = user.superuser or superuser
            user.create_database = user.create_database or create_database
            self.users[name] = user
            self.save_users()

    def set_temporary_password(self, name: str, password: str, until: str) -> None:
        """Let a user log in as `IAM:<name>` until a time in UTC. Raises SqlError (42704) when there is no such user."""
        with self._lock:
            user = self.users.get(name)
            if user is None:
                raise SqlError("42704", f'user "{name}" does not exist')
            user.temporary_password, user.temporary_until = password_hash(f"IAM:{name}", password), until
            self.save_users()

    def next_id(self) -> int:
        """An id that no user, group or role has; the first is 100."""
        taken = [user.id for user in self.users.values()] + [*self.groups.values(), *self.roles.values(), 99]
        return max(taken) + 1

    def check_password(self, name: str, database: str, salt: bytes, answer: str) -> User:
        """The user, if ``answer`` is the MD5 response to ``salt``. Raises SqlError (28000, 3D000)."""
        temporary = name.startswith("IAM:")
        user = self.users.get(name.removeprefix("IAM:"))
        failed = SqlError("28000", f'password authentication failed for user "{name}"')
        if user is None:
            raise failed
        password, until = (
            (user.temporary_password, user.temporary_until) if temporary else (user.password, user.valid_until)
        )
        if password is None:
            raise failed
        expected = "md5" + hashlib.md5(password[3:].encode() + salt, usedforsecurity=False).hexdigest()
        if not secrets.compare_digest(expected, answer):
            raise failed
        if until and datetime.fromisoformat(until).replace(tzinfo=UTC) < datetime.now(UTC):
            raise SqlError("28000", f'the password of user "{name}" expired at {until} UTC')
        if database not in self.databases():
            raise SqlError("3D000", f'database "{database}" does not exist')
        return user

    # Sessions ------------------------------------------------------------------------------------------------------

    def open_session(self, user: str, database: str, settings: dict[str, str] | None = None) -> Session:
        """A session of a user that was already checked. Close it with ``session.close()``."""
        from localcloud.engines.sql.session import Session

        session = Session(self, next(self._pids), self._cursor(), user, database, settings or {})
        self.sessions[session.pid] = session
        return session

    def cancel(self, pid: int, secret: int) -> None:
        """Interrupt what a session is doing, if ``secret`` is its key."""
        session = self.sessions.get(pid)
        if session is not None and session.secret == secret:
            session.interrupt()

    def close(self) -> None:
        """End every session, checkpoint and close the files."""
        for session in list(self.sessions.values()):
            session.interrupt()
            session.close()
        for name in self.databases():
            self._root.execute(f'checkpoint "{name}"')
        self._root.close()
