-- What differs from what was known: memberships, links, aliases. Nothing is written here.

-- Comparing memberships
create temp table resolve_changes as
select
    coalesce(members.record_key, known.record_key) as record_key,
    members.first_seen_at,
    known.customer_id as old_customer_id,
    members.customer_id as new_customer_id,
    known.valid_from,
    earlier.valid_to as gone_since
from resolve_members as members
full outer join (
    select
        record_key,
        customer_id,
        valid_from
    from resolve_last
    where valid_to is null
) as known
    on members.record_key = known.record_key
left join resolve_last as earlier on members.record_key = earlier.record_key and earlier.valid_to is not null
where
    members.record_key is null
    or known.record_key is null
    or members.customer_id <> known.customer_id;

-- Comparing links
create temp table resolve_link_changes as
select
    coalesce(found.record_key_a, known.record_key_a) as record_key_a,
    coalesce(found.record_key_b, known.record_key_b) as record_key_b,
    coalesce(found.rule, known.rule) as rule,
    coalesce(found.used, known.used) as used,
    coalesce(found.bits, known.bits) as bits,
    coalesce(found.evidence, known.evidence) as evidence,
    known.rule is null as added
from resolve_links as found
full outer join (
    select
        record_key_a,
        record_key_b,
        rule,
        used,
        bits,
        coalesce(evidence, '') as evidence
    from "identity".edges
    where known_to is null
) as known
    on
        found.record_key_a = known.record_key_a
        and found.record_key_b = known.record_key_b
        and found.rule = known.rule
        and found.used = known.used
        and found.evidence = known.evidence
where found.rule is null or known.rule is null;

-- Finding the ids that now stand for another customer because their founding record is there
create temp table resolve_absorbed as
select
    foundings.customer_id as alias_id,
    members.customer_id
from "identity".foundings as foundings
inner join resolve_members as members on foundings.record_key = members.record_key
where foundings.known_to is null and foundings.customer_id <> members.customer_id;

-- Finding what every alias stands for; one whose record is gone follows the customer that it stood for
create temp table resolve_aliases as
select
    alias_id,
    customer_id
from resolve_absorbed
union all
select
    aliases.alias_id,
    coalesce(followed.customer_id, aliases.customer_id) as customer_id
from "identity".aliases as aliases
left join resolve_absorbed as followed on aliases.customer_id = followed.alias_id
left join resolve_absorbed as absorbed on aliases.alias_id = absorbed.alias_id
left join (select distinct customer_id from resolve_members) as living on aliases.alias_id = living.customer_id
where aliases.known_to is null and absorbed.alias_id is null and living.customer_id is null;

-- Comparing aliases
create temp table resolve_alias_changes as
select
    coalesce(found.alias_id, known.alias_id) as alias_id,
    known.customer_id as old_customer_id,
    found.customer_id as new_customer_id
from resolve_aliases as found
full outer join (
    select
        alias_id,
        customer_id
    from "identity".aliases
    where known_to is null
) as known
    on found.alias_id = known.alias_id
where
    found.alias_id is null
    or known.alias_id is null
    or found.customer_id <> known.customer_id;
