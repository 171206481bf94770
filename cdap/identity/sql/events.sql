-- What happened to customers, from what differs. Written before the log itself changes.

-- Reading which customers there were
create temp table resolve_before as
select distinct customer_id
from resolve_last
where valid_to is null;

-- Reading which customers there are
create temp table resolve_after as
select distinct customer_id
from resolve_members;

-- Finding the customers that ended
create temp table resolve_ended as
select
    existed.customer_id,
    aliases.customer_id as absorbed_by
from resolve_before as existed
left join resolve_after as living on existed.customer_id = living.customer_id
left join resolve_aliases as aliases on existed.customer_id = aliases.alias_id
where living.customer_id is null;

-- Finding the customers that began
create temp table resolve_begun as
select
    living.customer_id,
    minted.record_key as founder
from resolve_after as living
left join resolve_before as existed on living.customer_id = existed.customer_id
left join resolve_minted as minted on living.customer_id = minted.customer_id
where existed.customer_id is null;

-- Telling splits from moves and merges
create temp table resolve_transfers as
select distinct
    case
        when begun.customer_id is not null then 'split'
        when ended.customer_id is not null then 'merge'
        else 'move'
    end as kind,
    changes.old_customer_id as giver,
    changes.new_customer_id as receiver
from resolve_changes as changes
left join resolve_begun as begun on changes.new_customer_id = begun.customer_id
left join resolve_ended as ended
    on changes.old_customer_id = ended.customer_id and changes.new_customer_id = ended.absorbed_by
where changes.old_customer_id is not null and changes.new_customer_id is not null;

-- Adding the customers that ended with none of their records left: absorbed by the customer of their heir
insert into resolve_transfers (kind, giver, receiver)
select
    'merge' as kind,
    ended.customer_id as giver,
    ended.absorbed_by as receiver
from resolve_ended as ended
left join resolve_transfers as known
    on ended.customer_id = known.giver and ended.absorbed_by = known.receiver
where ended.absorbed_by is not null and known.giver is null;

-- Finding the links that came or went around each customer
create temp table resolve_link_ends as
select
    ends.record_key_a,
    ends.record_key_b,
    ends.rule,
    ends.bits,
    ends.added,
    here.customer_id as receiver,
    before_a.customer_id as giver_a,
    before_b.customer_id as giver_b,
    case
        when ends.added then 'link_added'
        when now_a.record_key is null or now_b.record_key is null then 'record_deleted'
        else 'link_removed'
    end as cause
from (
    select record_key_a as record_key, record_key_a, record_key_b, rule, bits, added
    from resolve_link_changes
    where used
    union all
    select record_key_b as record_key, record_key_a, record_key_b, rule, bits, added
    from resolve_link_changes
    where used
) as ends
inner join resolve_members as here on ends.record_key = here.record_key
inner join (select distinct receiver from resolve_transfers) as receivers on here.customer_id = receivers.receiver
left join resolve_members as now_a on ends.record_key_a = now_a.record_key
left join resolve_members as now_b on ends.record_key_b = now_b.record_key
left join resolve_last as before_a on ends.record_key_a = before_a.record_key and before_a.valid_to is null
left join resolve_last as before_b on ends.record_key_b = before_b.record_key and before_b.valid_to is null;

-- Choosing the link that explains each merge, split and move
create temp table resolve_causes as
select
    kind,
    giver,
    receiver,
    cause,
    rule,
    record_key_a,
    record_key_b
from (
    select
        transfers.kind,
        transfers.giver,
        transfers.receiver,
        ends.cause,
        ends.rule,
        ends.record_key_a,
        ends.record_key_b,
        row_number() over (
            partition by transfers.kind, transfers.giver, transfers.receiver
            order by
                case when ends.added = (transfers.kind <> 'split') then 0 else 1 end,
                case when transfers.giver in (ends.giver_a, ends.giver_b) then 0 else 1 end,
                coalesce(ends.bits, 1000) desc,
                ends.rule,
                ends.record_key_a,
                ends.record_key_b
        ) as best_first
    from resolve_transfers as transfers
    inner join resolve_link_ends as ends on transfers.receiver = ends.receiver
) as candidates
where best_first = 1;

-- Collecting the events
create temp table resolve_events as
select
    'mint' as kind,
    begun.customer_id,
    cast(null as varchar(32)) as other_customer_id,
    begun.founder as record_key,
    case when founder.record_key is null then 'new_record' else 'split' end as cause,
    cast(null as varchar(128)) as rule,
    cast(null as varchar(512)) as edge_record_key_a,
    cast(null as varchar(512)) as edge_record_key_b
from resolve_begun as begun
left join resolve_last as founder on begun.founder = founder.record_key and founder.valid_to is null
where begun.founder is not null
union all
select
    'restore' as kind,
    begun.customer_id,
    cast(null as varchar(32)) as other_customer_id,
    cast(null as varchar(512)) as record_key,
    'record_returned' as cause,
    cast(null as varchar(128)) as rule,
    cast(null as varchar(512)) as edge_record_key_a,
    cast(null as varchar(512)) as edge_record_key_b
from resolve_begun as begun
left join (select distinct receiver from resolve_transfers) as received on begun.customer_id = received.receiver
where begun.founder is null and received.receiver is null
union all
select
    transfers.kind,
    case when transfers.kind = 'split' then transfers.giver else transfers.receiver end as customer_id,
    case when transfers.kind = 'split' then transfers.receiver else transfers.giver end as other_customer_id,
    moved.record_key,
    coalesce(causes.cause, 'records_changed') as cause,
    causes.rule,
    causes.record_key_a as edge_record_key_a,
    causes.record_key_b as edge_record_key_b
from resolve_transfers as transfers
left join resolve_causes as causes
    on
        transfers.kind = causes.kind
        and transfers.giver = causes.giver
        and transfers.receiver = causes.receiver
left join resolve_changes as moved
    on
        transfers.kind = 'move'
        and transfers.giver = moved.old_customer_id
        and transfers.receiver = moved.new_customer_id
union all
select
    'delete' as kind,
    old_customer_id as customer_id,
    cast(null as varchar(32)) as other_customer_id,
    record_key,
    'record_deleted' as cause,
    cast(null as varchar(128)) as rule,
    cast(null as varchar(512)) as edge_record_key_a,
    cast(null as varchar(512)) as edge_record_key_b
from resolve_changes
where new_customer_id is null
union all
select
    'delete' as kind,
    customer_id,
    cast(null as varchar(32)) as other_customer_id,
    cast(null as varchar(512)) as record_key,
    'record_deleted' as cause,
    cast(null as varchar(128)) as rule,
    cast(null as varchar(512)) as edge_record_key_a,
    cast(null as varchar(512)) as edge_record_key_b
from resolve_ended
where absorbed_by is null;

-- Writing the events
insert into "identity".events (
    event_id, kind, customer_id, other_customer_id, record_key, cause, rule, edge_record_key_a, edge_record_key_b,
    model, run_id, known_at
)
select
    sha2(
        kind || '|' || customer_id || '|' || coalesce(other_customer_id, '') || '|' || coalesce(record_key, '')
        || '|' || :run_id || '|' || :as_of,
        256
    ) as event_id,
    kind,
    customer_id,
    other_customer_id,
    record_key,
    cause,
    rule,
    edge_record_key_a,
    edge_record_key_b,
    :model as model,
    :run_id as run_id,
    cast(:as_of as timestamp) as known_at
from resolve_events;
