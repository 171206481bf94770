-- The ids. An id stands on its founding record; a cluster has the id that was minted first among those that stand on
-- its records (docs/decisions: customer ids).

-- Reading where every record that was ever seen belonged last, deleted ones included
create temp table resolve_last as
select
    record_key,
    customer_id,
    valid_from,
    valid_to
from (
    select
        record_key,
        customer_id,
        valid_from,
        valid_to,
        row_number() over (partition by record_key order by known_from desc, valid_from desc) as newest_first
    from "identity".memberships
    where known_to is null
) as known
where newest_first = 1;

-- Finding the ids whose founding record is gone
create temp table resolve_orphans as
select
    foundings.customer_id,
    foundings.record_key,
    foundings.minted_at,
    last_of_founder.customer_id as last_customer_id
from "identity".foundings as foundings
inner join resolve_last as last_of_founder on foundings.record_key = last_of_founder.record_key
left join resolve_clusters as clusters on foundings.record_key = clusters.record_key
where foundings.known_to is null and clusters.record_key is null;

-- Finding who remains of their last cluster, and who of these ever had the id
create temp table resolve_heirs as
select
    orphans.customer_id,
    orphans.record_key,
    orphans.minted_at,
    min(case when held.record_key is not null then clusters.record_key end) as successor
from resolve_orphans as orphans
inner join resolve_last as remaining on orphans.last_customer_id = remaining.customer_id
inner join resolve_clusters as clusters on remaining.record_key = clusters.record_key
left join (
    select distinct
        memberships.record_key,
        memberships.customer_id
    from "identity".memberships as memberships
    inner join resolve_orphans as orphans on memberships.customer_id = orphans.customer_id
) as held
    on orphans.customer_id = held.customer_id and remaining.record_key = held.record_key
group by orphans.customer_id, orphans.record_key, orphans.minted_at;

-- Ending the foundings of records that are gone; an id of which nothing remains waits for its record
update "identity".foundings
set known_to = cast(:as_of as timestamp)
where
    known_to is null
    and customer_id in (select customer_id from resolve_heirs);

-- Passing ids to the smallest remaining record that ever had them
insert into "identity".foundings (customer_id, record_key, cause, minted_at, run_id, known_from, known_to)
select
    customer_id,
    successor as record_key,
    'succession' as cause,
    minted_at,
    :run_id as run_id,
    cast(:as_of as timestamp) as known_from,
    cast(null as timestamp) as known_to
from resolve_heirs
where successor is not null;

-- Choosing the id that was minted first among those of a cluster
create temp table resolve_elected as
select
    cluster,
    customer_id
from (
    select
        clusters.cluster,
        foundings.customer_id,
        row_number() over (
            partition by clusters.cluster order by foundings.minted_at, foundings.customer_id
        ) as oldest_first
    from "identity".foundings as foundings
    inner join resolve_clusters as clusters on foundings.record_key = clusters.record_key
    where foundings.known_to is null
) as candidates
where oldest_first = 1;

-- Minting an id for each cluster that has none
create temp table resolve_minted as
select
    unnamed.cluster,
    unnamed.record_key,
    'cus_' || left(sha2(
        unnamed.record_key || '|' || cast(coalesce(earlier.mints, 0) as varchar(20)), 256
    ), 24) as customer_id
from (
    select
        clusters.cluster,
        min(clusters.record_key) as record_key
    from resolve_clusters as clusters
    left join resolve_elected as elected on clusters.cluster = elected.cluster
    where elected.cluster is null
    group by clusters.cluster
) as unnamed
left join (
    select
        record_key,
        count(*) as mints
    from "identity".foundings
    where cause = 'mint'
    group by record_key
) as earlier
    on unnamed.record_key = earlier.record_key;

-- Minting an id for each cluster that has none
insert into "identity".foundings (customer_id, record_key, cause, minted_at, run_id, known_from, known_to)
select
    customer_id,
    record_key,
    'mint' as cause,
    cast(:as_of as timestamp) as minted_at,
    :run_id as run_id,
    cast(:as_of as timestamp) as known_from,
    cast(null as timestamp) as known_to
from resolve_minted;

-- Giving every record its customer
create temp table resolve_members as
select
    clusters.record_key,
    clusters.first_seen_at,
    coalesce(elected.customer_id, minted.customer_id) as customer_id
from resolve_clusters as clusters
left join resolve_elected as elected on clusters.cluster = elected.cluster
left join resolve_minted as minted on clusters.cluster = minted.cluster;
