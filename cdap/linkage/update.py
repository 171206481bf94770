"""A state brought to the records of today by what changed, with the result that all of them would have.

Two records score the same for as long as neither changes, since what is counted over all of them is kept with the
model; whether a pair is scored depends on the blocks that its two records are in; and which records are of one customer
depends on nothing outside their component. So new pairs are looked for in the blocks of changed records, pairs are
dropped whose only block has become too large, and the components that any of this touches are clustered again.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from cdap.linkage import stages
from cdap.linkage.changes import find_changes
from cdap.linkage.compare import compare
from cdap.linkage.config import LinkageConfig
from cdap.linkage.constraints import Decision, Indices
from cdap.linkage.customers import chances_of, customers_of, households_of
from cdap.linkage.database import one
from cdap.linkage.kept import assigned_table, codes_table
from cdap.linkage.keys import PACKED, UNPACKED, at_once, keyed, limited, listed, proposed_by
from cdap.linkage.model import Model
from cdap.linkage.scores import scored_pairs
from cdap.linkage.statistics import find_junk


def update(
    db: duckdb.DuckDBPyConnection,
    config: LinkageConfig,
    model: Model,
    records: Path,
    decisions: Sequence[Decision],
    timed: stages.Timed,
) -> dict[str, Any] | None:
    """Brings the attached state to the records of a file and the decisions; returns what the report tells of it, None
    when the model's statistics do not serve for the records any more and the state has to be begun anew."""
    assert model.statistics is not None
    with timed("changes"):
        changed = find_changes(db, config, model, records)
        if not _still_serves(db, model):
            return None
        _take_decisions(db, decisions)
    with timed("candidate pairs"):
        _find_blocks(db, model)
        pairs = _find_pairs(db)
        _find_lost(db, model)
    with timed("compare"):
        _take_records(db, "(select distinct unnest([a, b]) as i from pairs)", "i")
        compare(db, model.fields, "pairs", "codes")
        scored, home, _ = scored_pairs(db, model, "codes", keep="found")
        matched = scored.score > 0
        _register(db, "matched", np.concatenate([scored.a[matched], scored.b[matched]]))
        _register(db, "at_home", np.concatenate(home))
    with timed("customers"):
        _find_concerned(db)
        clustered = stages.cluster(db, config, model, "codes_within", decisions, timed)
        numbers = _numbers(db, "concerned")
        customers = customers_of(
            clustered.uids, clustered.clusters.cluster, _previous(db), lambda ids: _in_use(db, ids)
        )
        # Households are found below: of more records than these.
        rows = assigned_table(
            clustered.uids,
            clustered.clusters,
            numbers,
            customers,
            chances_of(clustered.clusters),
            [""] * len(customers),
        )
        _table(db, "assigned", rows)
        _table(db, "extra", codes_table(clustered.near[1:], model.fields, numbers))
    with timed("households"):
        _find_households(db, model)
    with timed("keep"):
        _keep(db, model.fields)
    return {
        "fields": list(model.fields),
        "keys": model.statistics.keys,
        "pairs": pairs,
        "largest_component": clustered.clusters.largest_component,
        "cut_at": clustered.clusters.cut_at,
        "junk": [asdict(of) for of in model.statistics.junk],
        "nicknames": model.statistics.nicknames,
        "model": model.report,
        "state": "updated",
        "changed": changed,
        "resolved_again": len(clustered.uids),
    }


def _still_serves(db: duckdb.DuckDBPyConnection, model: Model) -> bool:
    """As cdap.linkage.prepare asks of all records."""
    assert model.statistics is not None
    db.execute(
        "create or replace temp view all_now as select * from kept.records anti join gone using (i) "
        "union all select * from added"
    )
    junk = find_junk(db, model.fields, "all_now", "added")
    return not junk and model.statistics.serve_values(db, "all_now")


def _take_decisions(db: duckdb.DuckDBPyConnection, decisions: Sequence[Decision]) -> None:
    """Makes `decided`, the decisions of now, and `decided_on`, the records whose components they bring into question:
    of decisions that are new or taken back, and of those on changed records and their copies."""
    rows = [(of.a, of.b, of.decision) for of in decisions]
    columns = {name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(("a", "b", "decision"))}
    _table(db, "decided", pa.table(columns))
    db.execute(
        "create or replace table decided_on as with different as ("
        "(select * from decided except select * from kept.decisions) "
        "union all (select * from kept.decisions except select * from decided)), "
        "moved as (select uid from changed union all select uid from aside_gone union all select uid from aside_added "
        "union all select uid from kept.records semi join regrouped using (i)), "
        "again as (select * from decided where a in (select uid from moved) or b in (select uid from moved)) "
        "select distinct unnest([a, b]) as uid from (select a, b from different union all select a, b from again)"
    )


# Pairs ----------------------------------------------------------------------------------------------------------------


def _find_blocks(db: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Makes `blocks`, those of changed records: `key`, `h`, how many records were in each and are now, and how many may
    be; and `members` of those that were small enough or are: `key`, `h`, `i`, and whether it is `new`.

    Blocks that were too large and still are are not looked into.
    """
    assert model.statistics is not None
    largest = model.statistics.largest_blocks
    used = [key for key, most in enumerate(largest) if most > 1]
    limits = limited(used, [largest[key] for key in used]) if used else "cross join (select 0 as most)"
    db.execute("create or replace table gone_pieces as select pieces.* from kept.pieces semi join gone using (i)")
    db.execute("create or replace table touched (key usmallint, h ubigint, came uinteger, went uinteger)")
    db.execute("create or replace table before (key usmallint, h ubigint, i int)")
    db.execute("create or replace table members (key usmallint, h ubigint, i int, new boolean)")
    changed, kept = one(db, "select (select count(*) from changed), (select count(*) from kept.pieces)")
    for numbers in at_once(used, changed):
        db.execute(
            "insert into touched select key, h, sum(came), sum(went) from ("  # noqa: S608
            f"select key, h, 1 as came, 0 as went from ({keyed(model.fields, numbers, 'added_pieces')}) "
            f"union all select key, h, 0, 1 from ({keyed(model.fields, numbers, 'gone_pieces')})) group by key, h"
        )
    db.execute(
        "create or replace table weighed as select touched.*, large.c, most from touched "  # noqa: S608
        f"left join kept.large as large using (key, h) {limits}"
    )
    for numbers in at_once(used, kept):
        db.execute(
            f"insert into before select key, h, i from ({keyed(model.fields, numbers, 'kept.pieces')}) "  # noqa: S608
            "semi join (select key, h from weighed "
            f"where key in ({listed(numbers)}) and (c is null or c + came - went <= most)) using (key, h)"
        )
    db.execute(
        "create or replace table blocks as select key, h, most, coalesce(c, seen.n, 0)::int as was, "
        "(coalesce(c, seen.n, 0) + came - went)::int as size from weighed "
        "left join (select key, h, count(*) as n from before group by key, h) as seen using (key, h)"
    )
    db.execute("insert into members select key, h, i, false from before anti join gone using (i)")
    for numbers in at_once(used, changed):
        db.execute(
            f"insert into members select key, h, i, true from ({keyed(model.fields, numbers, 'added_pieces')}) "  # noqa: S608
            "semi join (select key, h from blocks where size <= most) using (key, h)"
        )
    db.execute("drop table touched; drop table weighed; drop table before; drop table gone_pieces")


def _find_pairs(db: duckdb.DuckDBPyConnection) -> int:
    """Makes `pairs`, those to be scored, a before b in the order of their ids, with a key that proposes each: of new
    records in blocks that are small enough, and of all records in blocks that have become so. Returns how many."""
    db.execute(
        "create or replace table ranked as "
        "select i, row_number() over (order by uid) as n from (select i, uid from kept.records "
        "semi join members using (i) union all select i, uid from added)"
    )
    db.execute(
        "create or replace table candidates as with small as ("  # noqa: S608
        "select key, h, i, n, new, size, was > most as has_shrunk from members "
        "join blocks using (key, h) join ranked using (i) where size between 2 and most) "
        f"select {PACKED} as p, {proposed_by('a.size', 'a.key')} as proposed from small as a join small as b "
        "on a.key = b.key and a.h = b.h and a.n < b.n and (a.new or b.new or a.has_shrunk)"
    )
    db.execute(
        f"create or replace table pairs as select {UNPACKED}, (min(proposed) & 65535)::usmallint as proposed_by "  # noqa: S608
        "from candidates group by p"
    )
    db.execute("drop table candidates; drop table ranked")
    db.execute("delete from pairs where exists (select 1 from kept.near where near.a = pairs.a and near.b = pairs.b)")
    return int(one(db, "select count(*) from pairs")[0])


def _find_lost(db: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Makes `lost`, pairs of the state that no key proposes any more, since their block has become too large, and
    `reproposed`, those that another key does."""
    assert model.statistics is not None
    db.execute(
        "create or replace table suspects as select near.a, near.b from kept.near as near "
        "join members as x on x.i = near.a and x.key = near.proposed_by "
        "join members as y on y.i = near.b and y.key = x.key and y.h = x.h "
        "join blocks on blocks.key = x.key and blocks.h = x.h where blocks.was <= most and blocks.size > most"
    )
    db.execute("create or replace table reproposed (a int, b int, proposed_by usmallint)")
    if not one(db, "select count(*) from suspects")[0]:
        db.execute("create or replace table lost as select a, b from suspects")
        return
    db.execute(
        "create or replace table of_suspects as select * from kept.pieces "
        "where i in (select a from suspects union all select b from suspects)"
    )
    used = [key for key, most in enumerate(model.statistics.largest_blocks) if most > 1]
    query = keyed(model.fields, used, "of_suspects") if used else "select 0 as key, 0 as h, 0 as i limit 0"
    db.execute(
        f"create or replace table proposals as with keyed as ({query}) "  # noqa: S608
        "select a, b, x.key, x.h from suspects join keyed as x on x.i = a join keyed as y on y.i = b and y.key = x.key "
        "and y.h = x.h"
    )
    db.execute(
        "insert into reproposed select a, b, min(key) from proposals "
        "anti join (select key, h from blocks where size > most) as grown using (key, h) "
        "anti join (select key, h from kept.large anti join blocks using (key, h)) as large using (key, h) "
        "group by a, b"
    )
    db.execute("create or replace table lost as select a, b from suspects anti join reproposed using (a, b)")
    db.execute("drop table of_suspects; drop table proposals")


# Customers ------------------------------------------------------------------------------------------------------------


def _find_concerned(db: duckdb.DuckDBPyConnection) -> None:
    """Makes `concerned`, the records of all components that change: `i`, `uid`, `place` in the order of their ids;
    `r` and `copies` of them by place, and `codes_within`, their pairs."""
    db.execute(
        "create or replace table firsts as "
        "select same, arg_min(i, uid) as i from (select same, i, uid from kept.records "
        "anti join gone using (i) union all select same, i, uid from added) where same in "
        "(select same from kept.aside union all select same from aside_added) group by same"
    )
    db.execute(
        "create or replace table aside_now as select uid, same from kept.aside anti join aside_gone using (uid) "
        "union all select uid, same from aside_added"
    )
    # A decision on a copy is one on the record that it is a copy of.
    db.execute(
        "create or replace table components as "
        "select distinct component from kept.assigned where i in (select i from gone "
        "union all select i from regrouped union all select i from matched "
        "union all select a from lost union all select b from lost "
        "union all select a from pairs where a not in (select i from added) and b not in (select i from added) "
        "union all select b from pairs where a not in (select i from added) and b not in (select i from added) "
        "union all select i from kept.records where uid in (select uid from decided_on) "
        "union all select firsts.i from aside_now join firsts using (same) where uid in (select uid from decided_on))"
    )
    db.execute(
        "create or replace table concerned as "
        "select i, uid, (row_number() over (order by uid))::int - 1 as place from ("
        "select i, uid from kept.assigned semi join components using (component) anti join gone using (i) "
        "where i is not null union all select i, uid from added)"
    )
    _take_records(db, "concerned", "place")
    db.execute(
        "create or replace table copies as select aside_now.uid, place as i from aside_now join firsts using (same) "
        "join concerned on concerned.i = firsts.i"
    )
    _take_codes(db, "codes_within", "concerned")


def _take_records(db: duckdb.DuckDBPyConnection, chosen: str, number: str) -> None:
    """Makes `r` of the chosen records, those of the state and the added ones, under another number."""
    db.execute(
        f"create or replace table r as select {number} as i, kept.* exclude (i) from (select * from kept.records "  # noqa: S608
        f"union all select * from added) as kept join {chosen} as chosen using (i) order by 1"
    )


def _take_codes(db: duckdb.DuckDBPyConnection, into: str, chosen: str) -> None:
    """Makes a table of the pairs of the chosen records, by place: those of the state that are left, and new ones."""
    db.execute(
        f"create or replace table {into} as select x.place as a, y.place as b, near.* exclude (a, b) from ("  # noqa: S608
        "select * exclude (proposed_by) from kept.near anti join lost using (a, b) "
        "union all by name select * from found) "
        f"as near join {chosen} as x on x.i = near.a join {chosen} as y on y.i = near.b"
    )


def _previous(db: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Customer ids of before of the records concerned and their copies."""
    found = db.execute(
        "select uid, customer_id from kept.assigned "
        "where uid in (select uid from concerned union all select uid from copies)"
    )
    return dict(found.fetchall())


def _in_use(db: duckdb.DuckDBPyConnection, ids: AbstractSet[str]) -> set[str]:
    _table(db, "made", pa.table({"id": pa.array(sorted(ids), pa.string())}))
    found = db.execute("select distinct customer_id from kept.assigned where customer_id in (select id from made)")
    return {str(of) for (of,) in found.fetchall()}


def _find_households(db: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Makes `households` (uid, household_id) of all records of households that change."""
    db.execute(
        "create or replace table homes as "
        "select distinct household_id from kept.assigned where uid in (select uid from assigned "
        "union all select uid from changed union all select uid from aside_gone) or i in (select i from at_home)"
    )
    db.execute(
        "create or replace table living as "
        "select i, uid, customer_id, (row_number() over (order by uid))::int - 1 as place from ("
        "select i, uid, customer_id from assigned union all "
        "select i, uid, customer_id from kept.assigned semi join homes using (household_id) "
        "anti join assigned using (uid) anti join (select uid from changed where not is_there) as no_more using (uid))"
    )
    _take_codes(db, "codes_within", "living")
    _, home, _ = scored_pairs(db, model, "codes_within")
    # A cluster's number is the place of its first record.
    rows = db.execute("select uid, min(place) over (partition by customer_id) from living order by place").fetchall()
    uids, clusters = [str(uid) for uid, _ in rows], np.array([first for _, first in rows], np.int64)
    homes = households_of(uids, clusters, home)
    _table(
        db, "households", pa.table({"uid": pa.array(uids, pa.string()), "household_id": pa.array(homes, pa.string())})
    )


# Keeping --------------------------------------------------------------------------------------------------------------


def _keep(db: duckdb.DuckDBPyConnection, fields: Sequence[str]) -> None:
    """Writes what changed into the state, in one transaction."""
    names = "".join(f', "{field}"' for field in fields)
    # A transaction writes to one database, so what is written is made before it.
    db.execute(
        "create or replace table settled as "
        "select living.uid, living.i, living.customer_id, households.household_id, "
        "coalesce(assigned.component, old.component) as component, "
        "coalesce(assigned.cluster_probability, old.cluster_probability) as cluster_probability "
        "from living join households using (uid) left join assigned using (uid) "
        "left join kept.assigned as old on old.uid = living.uid"
    )
    db.execute("begin")
    try:
        for table, moved in (("records", "added"), ("pieces", "added_pieces")):
            db.execute(f"delete from kept.{table} where i in (select i from gone)")  # noqa: S608
            db.execute(f"insert into kept.{table} by name select * from {moved}")  # noqa: S608
        db.execute(
            "delete from kept.near where a in (select i from gone) or b in (select i from gone) "
            "or exists (select 1 from lost where lost.a = near.a and lost.b = near.b)"
        )
        db.execute(
            "update kept.near set proposed_by = reproposed.proposed_by from reproposed "
            "where reproposed.a = near.a and reproposed.b = near.b"
        )
        found = f"select a, b{names}, proposed_by from found join pairs using (a, b)"  # noqa: S608
        db.execute(f"insert into kept.near by name {found}")
        touched = "(select i from gone union all select i from concerned)"
        db.execute(f"delete from kept.extra where a in {touched} or b in {touched}")  # noqa: S608
        db.execute("insert into kept.extra by name select * from extra")
        db.execute("delete from kept.aside where uid in (select uid from aside_gone)")
        db.execute(f"insert into kept.aside by name select uid, source, raw, same{names} from aside_added")  # noqa: S608
        db.execute("delete from kept.large where (key, h) in (select (key, h) from blocks)")
        db.execute("insert into kept.large by name select key, h, size as c from blocks where size > most")
        db.execute("delete from kept.assigned where uid in (select uid from settled union all select uid from changed)")
        db.execute("insert into kept.assigned by name select * from settled")
        db.execute("delete from kept.decisions")
        db.execute("insert into kept.decisions by name select * from decided")
    except BaseException:
        db.execute("rollback")
        raise
    db.execute("commit")


def _numbers(db: duckdb.DuckDBPyConnection, table: str) -> Indices:
    found = db.execute(f"select i from {table} order by place").fetchnumpy()  # noqa: S608
    return np.asarray(found["i"]).astype(np.int64)


def _register(db: duckdb.DuckDBPyConnection, name: str, numbers: Indices) -> None:
    _table(db, name, pa.table({"i": np.unique(numbers).astype(np.int32)}))


def _table(db: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    db.register("rows", rows)
    db.execute(f"create or replace table {name} as select * from rows")  # noqa: S608
    db.unregister("rows")
