"""Records as they are compared: one normalised column a field, junk taken out, how frequent each value is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cdap.errors import CdapError
from cdap.linkage.config import LinkageConfig
from cdap.linkage.database import one, quoted
from cdap.linkage.fields import kind_of, traits_of
from cdap.linkage.learned_names import learn_names
from cdap.linkage.names import register_nicknames
from cdap.linkage.normalise import expressions
from cdap.linkage.statistics import Junk, Statistics, count_values, find_junk, take_out

# Of records that are the same in every field at most so many are compared; the others go where the first goes.
MOST_ALIKE = 20
# A field that has one value nearly everywhere tells nobody from another.
CONSTANT = 0.8


class RecordsError(CdapError):
    """A file of records that cannot be read as its configuration says."""


@dataclass(frozen=True)
class Prepared:
    """Table `r`: `i` from 0, `uid`, `source`, a column each field, `b_<field>`, its value's frequency bucket, what its
    levels ask for besides (TRAITS), `raw`, a digest of the record as it was read, and `same`, one of its fields.

    Table `copies`: the same of a record that is not in `r`, since enough are that are the same, and `i` of the first.

    `records` are those in `r`, `given` all of them; `nicknames` were learned of them; `known` are the statistics that
    were used, None when they were counted on these records.
    """

    records: int
    given: int
    fields: tuple[str, ...]
    junk: tuple[Junk, ...]
    nicknames: tuple[tuple[str, str], ...]
    known: Statistics | None


def prepare(
    db: duckdb.DuckDBPyConnection,
    config: LinkageConfig,
    path: Path,
    kept: Sequence[str] | None = None,
    statistics: Statistics | None = None,
) -> Prepared:
    """Reads the records (CSV or Parquet) into the table `r` and `tf_<field>` (value, count, bucket).

    `kept` are the fields that a model compares, `statistics` those that it was trained with, which are used where they
    serve: for about as many records of the same people, without junk that is new. Without `kept` those fields are kept
    that tell records apart.

    Raises RecordsError for a file that cannot be read, a column that is not there, an id that is missing or twice.
    """
    fields = [field for field, _ in expressions(config)]
    read(db, config, path)
    normalise(db, config, "read")
    db.execute("drop view read")
    refuse_ids(db, config, path, "given")
    (given,) = one(db, "select count(*) from given")
    known = statistics if statistics is not None and statistics.serve(given) else None
    count = given - _set_copies_aside(db)
    junk = known.junk if known else ()
    take_out(db, junk)
    if found := find_junk(db, fields):
        known, junk = None, (*junk, *found)
        take_out(db, found)
    if known and kept is not None:
        register_nicknames(db, known.nicknames)
        complete(db, kept, known)
        if known.serve_values(db, "r"):
            db.execute("drop table r0")
            return Prepared(int(count), int(given), tuple(kept), junk, known.nicknames, known)
    register_nicknames(db)
    found, nicknames = learn_names(db, fields)
    take_out(db, found)
    register_nicknames(db, nicknames)
    kept = [field for field in fields if _tells_apart(db, field)] if kept is None else list(kept)
    complete(db, kept, None)
    db.execute("drop table r0")
    return Prepared(int(count), int(given), tuple(kept), (*junk, *found), tuple(nicknames), None)


def read(db: duckdb.DuckDBPyConnection, config: LinkageConfig, path: Path) -> None:
    """Makes the view `read` of a file, all columns that are named being there; raises RecordsError."""
    doing = f"Reading the records {path}"
    text = "'" + str(path).replace("'", "''") + "'"
    is_text = path.suffix.lower() in (".csv", ".tsv", ".txt")
    reader = f"read_csv({text}, all_varchar = true)" if is_text else f"read_parquet({text})"
    try:
        db.execute(f"create or replace temp view read as select * from {reader}")  # noqa: S608
    except duckdb.Error as error:
        raise RecordsError(doing, str(error).splitlines()[0], "Give a readable CSV or Parquet file") from error
    there = [row[0] for row in db.execute("select column_name from (describe read)").fetchall()]
    missing = [name for name in config.columns() if name not in there]
    if missing:
        raise RecordsError(
            doing, f"it has no column {', '.join(missing)}; it has {', '.join(there)}", "Correct the configuration"
        )


def raw(config: LinkageConfig) -> str:
    """The digest of a record as it was read, in the columns that are named."""
    return f"hash({', '.join(f'cast({quoted(name)} as varchar)' for name in dict.fromkeys(config.columns()))})"


def normalise(db: duckdb.DuckDBPyConnection, config: LinkageConfig, of: str) -> None:
    """Makes the table `given` of rows as they were read: `uid`, `source`, `raw`, the fields, and `same`."""
    fields = dict(expressions(config))
    source = f"cast({quoted(config.source)} as varchar)" if config.source else "''"
    selected = ", ".join(f"({expression}) as {quoted(field)}" for field, expression in fields.items())
    same = f"hash(source, {', '.join(map(quoted, fields))}) as same"
    db.execute(
        f"create or replace table given as select *, {same} from (select "  # noqa: S608
        f"cast({quoted(config.unique_id)} as varchar) as uid, {source} as source, {raw(config)} as raw, {selected} "
        f"from {of})"
    )


def refuse_ids(db: duckdb.DuckDBPyConnection, config: LinkageConfig, path: Path, table: str) -> None:
    """Raises RecordsError when a `uid` of the table is missing or there twice."""
    (count, ids, nulls) = one(
        db,
        f"select count(*), count(distinct uid), count(*) filter (uid is null) from {table}",  # noqa: S608
    )
    if nulls or ids != count:
        raise RecordsError(
            f"Reading the records {path}",
            f"the id {config.unique_id} is missing {nulls} times and there {count - nulls - ids} times again",
            "Give each record an id of its own",
        )


def complete(db: duckdb.DuckDBPyConnection, fields: Sequence[str], known: Statistics | None) -> None:
    """Makes `r` of `r0`: the fields that are compared, with their values' buckets and traits."""
    for field in fields:
        count_values(db, field, traits_of(field), known)
    joined = " ".join(f'left join "tf_{f}" as "t_{f}" on "t_{f}".v = r0."{f}"' for f in fields)
    columns = "".join(f', r0."{f}"' for f in fields)
    of_values = "".join(
        f', "t_{f}".b as "b_{f}"' + "".join(f', "t_{f}"."{trait}" as "{trait}_{f}"' for trait in traits_of(f))
        for f in fields
    )
    selected = f"select i, uid, source, raw, same{columns}{of_values} from r0 {joined} order by i"  # noqa: S608
    db.execute(f"create or replace table r as {selected}")


def _set_copies_aside(db: duckdb.DuckDBPyConnection) -> int:
    """Makes `r0` (`i` in the order of the ids) and `copies` of `given`; returns how many are copies.

    Thousands of records that are the same, those of a test account for instance, would be blocks over any budget.
    """
    db.execute(
        "create or replace temp table ranked as select uid, same, row_number() over (partition by same order by uid) "  # noqa: S608
        f"as n from given join (select same from given group by 1 having count(*) > {MOST_ALIKE}) using (same)"
    )
    db.execute(
        "create or replace table r0 as select (row_number() over (order by uid))::int - 1 as i, * from given "  # noqa: S608
        f"anti join (select uid from ranked where n > {MOST_ALIKE}) using (uid)"
    )
    db.execute(
        "create or replace table copies as select given.*, r0.i from ranked as copy "  # noqa: S608
        "join ranked as first on first.same = copy.same and first.n = 1 join r0 on r0.uid = first.uid "
        f"join given on given.uid = copy.uid where copy.n > {MOST_ALIKE} order by copy.uid"
    )
    db.execute("drop table given; drop table ranked")
    return int(one(db, "select count(*) from copies")[0])


def _tells_apart(db: duckdb.DuckDBPyConnection, field: str) -> bool:
    top, filled = one(
        db,
        f"select coalesce(max(c), 0), coalesce(sum(c), 0) from (select count(*) as c from r0 "  # noqa: S608
        f'where "{field}" is not null group by "{field}")',
    )
    return bool(filled) and (kind_of(field) in ("gender", "generation") or top <= CONSTANT * filled)
