-- Ending what is no longer so
update "identity".memberships
set known_to = cast(:as_of as timestamp)
where
    known_to is null
    and valid_to is null
    and record_key in (select record_key from resolve_changes where old_customer_id is not null);

-- Writing where the records belong now. A merge or a move is a correction: the record belonged there all along
insert into "identity".memberships (record_key, customer_id, valid_from, valid_to, run_id, known_from, known_to)
select
    record_key,
    new_customer_id as customer_id,
    case
        when old_customer_id is not null then valid_from
        when gone_since is not null then cast(:as_of as timestamp)
        else coalesce(first_seen_at, cast(:as_of as timestamp))
    end as valid_from,
    cast(null as timestamp) as valid_to,
    :run_id as run_id,
    cast(:as_of as timestamp) as known_from,
    cast(null as timestamp) as known_to
from resolve_changes
where new_customer_id is not null;

-- Writing until when records that are gone belonged where they did
insert into "identity".memberships (record_key, customer_id, valid_from, valid_to, run_id, known_from, known_to)
select
    record_key,
    old_customer_id as customer_id,
    valid_from,
    cast(:as_of as timestamp) as valid_to,
    :run_id as run_id,
    cast(:as_of as timestamp) as known_from,
    cast(null as timestamp) as known_to
from resolve_changes
where new_customer_id is null;

-- Ending the links that are gone
update "identity".edges
set known_to = cast(:as_of as timestamp)
from resolve_link_changes
where
    edges.known_to is null
    and not resolve_link_changes.added
    and edges.record_key_a = resolve_link_changes.record_key_a
    and edges.record_key_b = resolve_link_changes.record_key_b
    and edges.rule = resolve_link_changes.rule
    and edges.used = resolve_link_changes.used
    and coalesce(edges.evidence, '') = resolve_link_changes.evidence;

-- Writing the links that are new
insert into "identity".edges (
    record_key_a, record_key_b, rule, used, bits, evidence, run_id, known_from, known_to
)
select
    record_key_a,
    record_key_b,
    rule,
    used,
    bits,
    evidence,
    :run_id as run_id,
    cast(:as_of as timestamp) as known_from,
    cast(null as timestamp) as known_to
from resolve_link_changes
where added;

-- Ending the aliases that are no longer so
update "identity".aliases
set known_to = cast(:as_of as timestamp)
where
    known_to is null
    and alias_id in (select alias_id from resolve_alias_changes where old_customer_id is not null);

-- Writing the aliases that are new
insert into "identity".aliases (alias_id, customer_id, run_id, known_from, known_to)
select
    alias_id,
    new_customer_id as customer_id,
    :run_id as run_id,
    cast(:as_of as timestamp) as known_from,
    cast(null as timestamp) as known_to
from resolve_alias_changes
where new_customer_id is not null;
