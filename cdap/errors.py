"""The platform's errors: written for the person who has to act on them."""

from __future__ import annotations


class CdapError(Exception):
    """What was being done, to what, what was found; and what to do next.

    `doing` names the action with its source and partition, `found` the cause, `next_step` what the reader can do.
    """

    def __init__(self, doing: str, found: str, next_step: str) -> None:
        super().__init__(doing, found, next_step)
        self.doing = doing
        self.found = found
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.doing}: {self.found}. {self.next_step}"


class ConfigurationError(CdapError):
    """A file under `config/` that does not say what it has to say; `found` begins with file, line and field."""


class ParameterMissingError(CdapError):
    """A name that the deployed stack should publish is not in Parameter Store."""


class SchemaChangeError(CdapError):
    """A source's columns changed in a way that its contract or the catalog cannot take."""


class ReconciliationError(CdapError):
    """Rows that came in are not the rows that went out plus the rows in quarantine."""


class WarehouseError(CdapError):
    """A statement that the warehouse refused; `sqlstate` is its five-character code, empty when there is none."""

    def __init__(self, doing: str, found: str, next_step: str, sqlstate: str = "") -> None:
        super().__init__(doing, found, next_step)
        self.sqlstate = sqlstate

    def __reduce__(self) -> tuple[type[WarehouseError], tuple[str, str, str, str]]:
        return type(self), (self.doing, self.found, self.next_step, self.sqlstate)


class MigrationError(CdapError):
    """A migration that cannot be applied: changed after it was applied, out of order, or refused."""


class ExpectationError(CdapError):
    """A critical expectation of a table is not met."""
