"""From marts.customer_profile to the search index: what changed, what is gone, nothing else."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import smart_open
import sqlglot
from opensearchpy import OpenSearch

from cdap.errors import ReconciliationError
from cdap.identity.protocol import SqlSession
from cdap.parameters import Parameters
from cdap.profiles.bulk import Action, BulkResult, send
from cdap.profiles.document import DOCUMENT, document
from cdap.profiles.indexes import count, current_index, ensure_index, switch, wanted_index
from cdap.sql import CdapRedshift, identifier, literal, render

# ops.published_profiles says of every document that may be in the index which hash it has; a row is there before its
# document is sent, with this hash, so that what a killed run sent is known and is sent again or taken away.
IN_DOUBT = ""


@dataclass(frozen=True)
class PublishSummary:
    """`profiles`: documents in the index afterwards, equal to the rows of marts.customer_profile. `indexed` and
    `deleted` were sent by this run, `sent_again` of them after the index was busy. `rebuilt`: a new index was built
    and switched in. `seconds` is the whole call's."""

    profiles: int
    indexed: int
    deleted: int
    sent_again: int
    index_name: str
    rebuilt: bool
    seconds: float


def publish(
    warehouse: SqlSession,
    search: OpenSearch,
    s3: Any,
    parameters: Parameters,
    run_id: str,
    *,
    rebuild: bool = False,
) -> PublishSummary:
    """Brings the index behind the alias `profiles` to what marts.customer_profile holds.

    Changed and new profiles are unloaded as JSON lines to `s3://<lake>/publish/<hash of the run id>/` and streamed
    from there into bulk requests. Killed at any point and run again, it ends in the same index. With `rebuild`, with
    a new mapping version, or when the index holds not what was published, a new index is built beside the one that
    is read, and switched in when its count is right.

    Raises RejectedDocumentsError and DocumentError for documents that cannot be published, ReconciliationError when
    the index does not end with one document a profile, and the errors of warehouse, S3 and search.
    """
    started = time.monotonic()
    _prepare(warehouse)
    current = current_index(search)
    target = wanted_index(current, rebuild=rebuild)
    total, sent = _publish_into(warehouse, search, s3, parameters, run_id, target, anew=target != current and rebuild)
    found = count(search, target)
    if found != total and target == current:
        # Somebody wrote into the index, or it was restored from elsewhere: what it holds is not what was published.
        target = wanted_index(current, rebuild=True)
        total, again = _publish_into(warehouse, search, s3, parameters, run_id, target, anew=True)
        sent = BulkResult(
            sent.indexed + again.indexed, sent.deleted + again.deleted, sent.sent_again + again.sent_again
        )
        found = count(search, target)
    if found != total:
        raise ReconciliationError(
            f"Publishing the profiles of run {run_id}",
            f"the index {target} holds {found} documents and marts.customer_profile {total} rows",
            "Clear the task; the index that was read before, if any, is still the one that is read",
        )
    if target != current:
        switch(search, target)
    warehouse.execute("drop table if exists publish_state", purpose="Dropping what the publish no longer needs")
    return PublishSummary(
        profiles=total,
        indexed=sent.indexed,
        deleted=sent.deleted,
        sent_again=sent.sent_again,
        index_name=target,
        rebuilt=target != current,
        seconds=round(time.monotonic() - started, 3),
    )


def _prepare(warehouse: SqlSession) -> None:
    """The temporary table publish_state(customer_id, profile_hash, alias_ids): what is to be in the index.

    The hash covers the aliases, which the document holds besides the columns of the mart.
    """
    warehouse.execute("drop table if exists publish_state", purpose="Preparing to publish")
    warehouse.execute(
        """
        create temp table publish_state as
        select
            profiles.customer_id,
            sha2(profiles.profile_hash || '|' || coalesce(aliases.alias_ids, ''), 256) as profile_hash,
            aliases.alias_ids
        from marts.customer_profile as profiles
        left join (
            select
                customer_id,
                listagg(alias_id, '|') within group (order by alias_id) as alias_ids
            from "identity".current_aliases
            group by customer_id
        ) as aliases
            on profiles.customer_id = aliases.customer_id
        """,
        purpose="Reading what is to be published",
    )


def _publish_into(
    warehouse: SqlSession,
    search: OpenSearch,
    s3: Any,
    parameters: Parameters,
    run_id: str,
    index: str,
    *,
    anew: bool,
) -> tuple[int, BulkResult]:
    """Returns how many profiles there are, and what was sent."""
    made = ensure_index(search, index, anew=anew)
    _mark(warehouse, index, forget=made)
    folder = f"publish/{hashlib.sha256(run_id.encode()).hexdigest()[:24]}/{index}"
    result = BulkResult()
    in_doubt, gone, total = warehouse.fetch_all(
        """
        select
            (select count(*) from ops.published_profiles where index_name = %s and profile_hash = %s),
            (
                select count(*)
                from ops.published_profiles as published
                left join publish_state as state on published.customer_id = state.customer_id
                where published.index_name = %s and state.customer_id is null
            ),
            (select count(*) from publish_state)
        """,
        (index, IN_DOUBT, index),
        purpose="Counting what is to be sent",
    )[0]
    if in_doubt:
        _unload(warehouse, _changed_query(index), parameters, f"{folder}/changed/")
        changed = (
            Action(found.customer_id, found.source)
            for found in map(document, _lines(s3, parameters, f"{folder}/changed/"))
        )
        result = send(search, index, changed)
    if gone:
        _unload(warehouse, _gone_query(index), parameters, f"{folder}/gone/")
        deleted = send(search, index, (Action(_id(line)) for line in _lines(s3, parameters, f"{folder}/gone/")))
        result.deleted, result.sent_again = deleted.deleted, result.sent_again + deleted.sent_again
    _record(warehouse, index)
    return int(total), result


def _id(line: bytes) -> str:
    return str(json.loads(line)["customer_id"])


def _mark(warehouse: SqlSession, index: str, *, forget: bool) -> None:
    """Writes ahead: every profile that will be sent is in doubt until it was."""
    with warehouse.transaction():
        if forget:
            warehouse.execute(
                "delete from ops.published_profiles where index_name = %s",
                (index,),
                purpose="Forgetting what an index that is no more held",
            )
        warehouse.execute(
            """
            delete from ops.published_profiles
            where customer_id in (
                select state.customer_id
                from publish_state as state
                inner join ops.published_profiles as published on state.customer_id = published.customer_id
                where published.index_name <> %s or published.profile_hash <> state.profile_hash
            )
            """,
            (index,),
            purpose="Finding the profiles that changed",
        )
        warehouse.execute(
            """
            insert into ops.published_profiles (customer_id, profile_hash, index_name, published_at)
            select state.customer_id, %s, %s, %s
            from publish_state as state
            left join ops.published_profiles as published on state.customer_id = published.customer_id
            where published.customer_id is null
            """,
            (IN_DOUBT, index, _now()),
            purpose="Marking the profiles that are to be sent",
        )


def _record(warehouse: SqlSession, index: str) -> None:
    """What was sent is published; what is gone, here or in an index that is no longer written, is not."""
    with warehouse.transaction():
        warehouse.execute(
            """
            update ops.published_profiles
            set profile_hash = publish_state.profile_hash, published_at = %s
            from publish_state
            where
                published_profiles.customer_id = publish_state.customer_id
                and published_profiles.index_name = %s
                and published_profiles.profile_hash = %s
            """,
            (_now(), index, IN_DOUBT),
            purpose="Recording what was published",
        )
        warehouse.execute(
            "delete from ops.published_profiles where customer_id not in (select customer_id from publish_state)",
            purpose="Recording what was taken away",
        )


def _changed_query(index: str) -> str:
    columns = ", ".join(f"profiles.{identifier(name)}" for name in DOCUMENT)
    query = sqlglot.parse_one(
        f"""
        select {columns}, state.alias_ids
        from marts.customer_profile as profiles
        inner join publish_state as state on profiles.customer_id = state.customer_id
        inner join ops.published_profiles as published on profiles.customer_id = published.customer_id
        where published.index_name = {literal(index)} and published.profile_hash = ''
        """,  # noqa: S608 - column names of this package, and an escaped literal
        read=CdapRedshift,
    )
    return render(query)


def _gone_query(index: str) -> str:
    query = sqlglot.parse_one(
        f"""
        select published.customer_id
        from ops.published_profiles as published
        left join publish_state as state on published.customer_id = state.customer_id
        where published.index_name = {literal(index)} and state.customer_id is null
        """,  # noqa: S608 - an escaped literal
        read=CdapRedshift,
    )
    return render(query)


def _unload(warehouse: SqlSession, query: str, parameters: Parameters, folder: str) -> None:
    # sqlglot does not model UNLOAD. CLEANPATH: what an earlier attempt of the run left is taken away first.
    warehouse.execute(
        f"unload ({literal(query)}) to {literal(f's3://{parameters.lake_bucket}/{folder}')} "
        f"iam_role {literal(parameters.warehouse.role_arn)} format as json cleanpath maxfilesize 64 mb",
        purpose=f"Unloading profiles to {folder}",
    )


def _lines(s3: Any, parameters: Parameters, folder: str) -> Iterator[bytes]:
    """The lines of every object in the folder, streamed."""
    bucket = parameters.lake_bucket
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder):
        for item in page.get("Contents", []):
            with smart_open.open(f"s3://{bucket}/{item['Key']}", "rb", transport_params={"client": s3}) as lines:
                for line in lines:
                    if line.strip():
                        yield line


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
