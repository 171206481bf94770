"""Connected components by statements in the warehouse.

Pointer jumping with the smallest label, after FastSV (Zhang, Azad, Hu: "FastSV: A Distributed-Memory Connected
Component Algorithm with Fast Convergence", 2020): in each round every node, and the node it points at, points at the
smallest grandparent around it, and then at its own grandparent. A chain of n records takes about log2(n) rounds, where
plain label propagation would take n.
"""

from __future__ import annotations

from cdap.errors import CdapError
from cdap.identity.protocol import SqlSession
from cdap.identity.statements import statements

# Far above what any input needs (a path of a million records takes about 20): a bound on a loop, not a setting.
MAX_ROUNDS = 200


def connect_components(session: SqlSession) -> int:
    """Fills the temporary table `resolve_components(node, component)` from the used rows of `resolve_links`.

    `component` is the smallest node of the component. Only the nodes in the temporary table `resolve_scope` are done;
    it holds either all nodes of a component or none. Returns the rounds it took.
    """
    for statement in statements("components_begin.sql"):
        session.execute(statement.sql, purpose=statement.purpose)
    for rounds in range(1, MAX_ROUNDS + 1):
        for statement in statements("components_round.sql"):
            session.execute(statement.sql, purpose=statement.purpose)
        (changed,) = next(
            session.fetch_all(statement.sql, purpose=statement.purpose)[0]
            for statement in statements("components_changed.sql")
        )
        for statement in statements("components_next.sql"):
            session.execute(statement.sql, purpose=statement.purpose)
        if changed == 0:
            for statement in statements("components_end.sql"):
                session.execute(statement.sql, purpose=statement.purpose)
            return rounds
    raise CdapError(
        "Connecting the records that rules link",
        f"the components still changed after {MAX_ROUNDS} rounds",
        "Report this with the number of records and links: it should not happen",
    )
