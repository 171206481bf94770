-- Households: customers that live together, under ids that stay.

-- Which customer a household's id stands on. An id is minted once; it passes to another customer when its own is gone.
create table if not exists "identity".household_foundings (
    household_id varchar(32) not null,
    customer_id varchar(32) not null,
    cause varchar(16) not null,
    minted_at timestamp not null,
    run_id varchar(256) not null,
    known_from timestamp not null,
    known_to timestamp
)
diststyle key distkey (customer_id) sortkey (customer_id);

create table if not exists "identity".households (
    household_id varchar(32) not null,
    customer_id varchar(32) not null,
    run_id varchar(256) not null,
    known_from timestamp not null,
    known_to timestamp
)
diststyle key distkey (customer_id) sortkey (customer_id);

create or replace view "identity".current_households as
select
    customer_id,
    household_id
from "identity".households
where known_to is null;
