-- Households, customers that live together. An id stands on a customer as a customer's stands on a record: a household
-- has the id that was minted first among those that stand on its customers (docs/decisions: customer ids).

-- Finding who lives together
create temp table resolve_homes as
select
    members.customer_id,
    min(assigned.household) as home
from resolve_members as members
inner join resolve_assigned as assigned on members.record_key = assigned.record_key
group by members.customer_id;

-- Finding on whom each household's id stands now: its founder, the customer that its founder was merged into, or of
-- those who are left the first
create temp table resolve_household_founders as
select
    foundings.household_id,
    foundings.minted_at,
    coalesce(founders.customer_id, followed.customer_id, heirs.customer_id) as customer_id,
    founders.customer_id is null and followed.customer_id is null and heirs.customer_id is not null as passes_on
from "identity".household_foundings as foundings
left join resolve_homes as founders on foundings.customer_id = founders.customer_id
left join resolve_aliases as aliases on foundings.customer_id = aliases.alias_id
left join resolve_homes as followed on aliases.customer_id = followed.customer_id
left join (
    select
        households.household_id,
        min(households.customer_id) as customer_id
    from "identity".households as households
    inner join resolve_homes as homes on households.customer_id = homes.customer_id
    where households.known_to is null
    group by households.household_id
) as heirs
    on foundings.household_id = heirs.household_id
where foundings.known_to is null;

-- Ending the foundings on customers that are gone; an id of which nobody is left waits for its customer
update "identity".household_foundings
set known_to = cast(:as_of as timestamp)
where
    known_to is null
    and household_id in (
        select household_id from resolve_household_founders where passes_on
    );

-- Passing households' ids on
insert into "identity".household_foundings (household_id, customer_id, cause, minted_at, run_id, known_from, known_to)
select
    household_id,
    customer_id,
    'succession' as cause,
    minted_at,
    :run_id as run_id,
    cast(:as_of as timestamp) as known_from,
    cast(null as timestamp) as known_to
from resolve_household_founders
where passes_on;

-- Choosing the id that was minted first among those of a household
create temp table resolve_household_elected as
select
    home,
    household_id
from (
    select
        homes.home,
        founders.household_id,
        row_number() over (partition by homes.home order by founders.minted_at, founders.household_id) as oldest_first
    from resolve_household_founders as founders
    inner join resolve_homes as homes on founders.customer_id = homes.customer_id
) as candidates
where oldest_first = 1;

-- Minting an id for each household that has none
create temp table resolve_household_minted as
select
    unnamed.home,
    unnamed.customer_id,
    'hou_' || left(sha2(
        unnamed.customer_id || '|' || cast(coalesce(earlier.mints, 0) as varchar(20)), 256
    ), 24) as household_id
from (
    select
        homes.home,
        min(homes.customer_id) as customer_id
    from resolve_homes as homes
    left join resolve_household_elected as elected on homes.home = elected.home
    where elected.home is null
    group by homes.home
) as unnamed
left join (
    select
        customer_id,
        count(*) as mints
    from "identity".household_foundings
    where cause = 'mint'
    group by customer_id
) as earlier
    on unnamed.customer_id = earlier.customer_id;

-- Minting an id for each household that has none
insert into "identity".household_foundings (household_id, customer_id, cause, minted_at, run_id, known_from, known_to)
select
    household_id,
    customer_id,
    'mint' as cause,
    cast(:as_of as timestamp) as minted_at,
    :run_id as run_id,
    cast(:as_of as timestamp) as known_from,
    cast(null as timestamp) as known_to
from resolve_household_minted;

-- Comparing households
create temp table resolve_household_changes as
select
    coalesce(found.customer_id, known.customer_id) as customer_id,
    known.household_id as old_household_id,
    found.household_id as new_household_id
from (
    select
        homes.customer_id,
        coalesce(elected.household_id, minted.household_id) as household_id
    from resolve_homes as homes
    left join resolve_household_elected as elected on homes.home = elected.home
    left join resolve_household_minted as minted on homes.home = minted.home
) as found
full outer join (
    select
        customer_id,
        household_id
    from "identity".households
    where known_to is null
) as known
    on found.customer_id = known.customer_id
where
    found.customer_id is null
    or known.customer_id is null
    or found.household_id <> known.household_id;

-- Ending where customers live no longer
update "identity".households
set known_to = cast(:as_of as timestamp)
where
    known_to is null
    and customer_id in (select customer_id from resolve_household_changes where old_household_id is not null);

-- Writing where customers live now
insert into "identity".households (household_id, customer_id, run_id, known_from, known_to)
select
    new_household_id as household_id,
    customer_id,
    :run_id as run_id,
    cast(:as_of as timestamp) as known_from,
    cast(null as timestamp) as known_to
from resolve_household_changes
where new_household_id is not null;
