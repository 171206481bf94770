"""Which records came, went and changed since a state was made (cdap.linkage.state), as tables of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from cdap.linkage.config import LinkageConfig
from cdap.linkage.database import one, quoted
from cdap.linkage.keys import find_pieces
from cdap.linkage.model import Model
from cdap.linkage.names import register_nicknames
from cdap.linkage.prepare import MOST_ALIKE, complete, normalise, raw, read, refuse_ids
from cdap.linkage.statistics import take_out


def find_changes(db: duckdb.DuckDBPyConnection, config: LinkageConfig, model: Model, records: Path) -> int:
    """Compares the records of a file with those of the state; returns how many came, went and changed.

    Makes `changed` (`uid`, and whether it `is_there`); `gone`, the numbers of records that are no longer compared;
    `added` and `added_pieces`, rows for those that now are; `aside_gone` (uid) and `aside_added`, the same of copies;
    and `regrouped`, numbers of records that have or had copies among the changed ones. A record that changed goes and
    comes under another number.
    """
    register_nicknames(db, model.statistics.nicknames if model.statistics else ())
    read(db, config, records)
    uid = f"cast({quoted(config.unique_id)} as varchar)"
    db.execute(f"create or replace table now as select {uid} as uid, {raw(config)} as raw from read")  # noqa: S608
    refuse_ids(db, config, records, "now")
    db.execute(
        "create or replace table difference as "
        "select coalesce(now.uid, known.uid) as uid, now.uid is not null as is_there, "
        "known.i, known.i is null and known.uid is not null as aside from now full join (select uid, raw, i "
        "from kept.records union all select uid, raw, null from kept.aside) as known on now.uid = known.uid "
        "where now.raw is distinct from known.raw"
    )
    db.execute("drop table now")
    db.execute("create or replace table changed as select uid, is_there from difference")
    db.execute("create or replace table gone as select i from difference where i is not null")
    db.execute("create or replace table aside_gone as select uid from difference where aside")
    db.execute("drop table difference")
    changed = f"(select * from read where {uid} in (select uid from changed where is_there))"  # noqa: S608
    normalise(db, config, changed)
    _set_copies_aside(db, model.fields)
    _add(db, model)
    return int(one(db, "select count(*) from changed")[0])


def _set_copies_aside(db: duckdb.DuckDBPyConnection, fields: Sequence[str]) -> None:
    """Makes `incoming` of `given`, and moves records between the compared and those aside where groups of the same
    became large or small: those of the smallest ids are compared (cdap.linkage.prepare)."""
    columns = "uid, source, raw, same" + "".join(f', "{field}"' for field in fields)
    db.execute(
        "create or replace table concerned as "
        "select same from given union select same from kept.records semi join gone using (i) "
        "union select same from kept.aside semi join aside_gone using (uid)"
    )
    db.execute(
        "create or replace table alike as "
        "select same, uid, i, true as was, gone.i is null as is_there, false as aside "
        "from kept.records semi join concerned using (same) left join gone using (i) "
        "union all select same, aside.uid, null, true, gone.uid is null, true "
        "from kept.aside as aside semi join concerned using (same) left join aside_gone as gone using (uid) "
        "union all select same, uid, null, false, true, false from given"
    )
    db.execute(
        "create or replace table grouped as "  # noqa: S608
        "select *, row_number() over (partition by same order by uid) as n from alike "
        f"semi join (select same from alike group by same having count(*) filter (was) > {MOST_ALIKE} "
        f"or count(*) filter (is_there) > {MOST_ALIKE}) using (same) where is_there"
    )
    for table, side in (("regrouped", "<="), ("leaving", ">")):
        chosen = f"select i from grouped where i is not null and n {side} {MOST_ALIKE}"  # noqa: S608
        db.execute(f"create or replace table {table} as {chosen}")
    db.execute(
        f"create or replace table incoming as select {columns} from given "  # noqa: S608
        f"where uid not in (select uid from grouped where n > {MOST_ALIKE}) "
        f"union all select {columns} from kept.aside "
        f"where uid in (select uid from grouped where aside and n <= {MOST_ALIKE})"
    )
    db.execute(
        f"create or replace table aside_added as select {columns} from given "  # noqa: S608
        f"where uid in (select uid from grouped where n > {MOST_ALIKE}) "
        f"union all select {columns} from kept.records where i in (select i from leaving)"
    )
    db.execute(
        f"insert into aside_gone select uid from grouped where aside and n <= {MOST_ALIKE}"  # noqa: S608
    )
    db.execute("insert into gone select i from leaving")
    db.execute("drop table concerned; drop table alike; drop table grouped; drop table leaving; drop table given")


def _add(db: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Makes `added` and `added_pieces` of `incoming`, under numbers that no record has."""
    assert model.statistics is not None
    db.execute(
        "create or replace table r0 as select (row_number() over (order by uid) "
        "+ (select coalesce(max(i), -1) from kept.records))::int as i, * from incoming"
    )
    take_out(db, [junk for junk in model.statistics.junk if junk.field in model.fields])
    complete(db, model.fields, model.statistics)
    db.execute("create or replace table added as select * from r")
    find_pieces(db, model.fields, "added", "added_pieces")
    db.execute("drop table r0; drop table incoming")
