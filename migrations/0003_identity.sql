-- The identity log. Rows are added; of an existing row only `known_to` is ever set, once.
-- valid_from/valid_to: when it was so in the world. known_from/known_to: when the platform learned it, and unlearned it.
-- Times are UTC. No identifier's value is kept here, only record keys and ids.
-- The schema's name is a reserved word of Redshift, so it is quoted.

create schema if not exists "identity";

-- Which record an id stands on. An id is minted once; it passes to another record when its own disappears.
create table if not exists "identity".foundings (
    customer_id varchar(32) not null,
    record_key varchar(512) not null,
    cause varchar(16) not null,
    minted_at timestamp not null,
    run_id varchar(256) not null,
    known_from timestamp not null,
    known_to timestamp
)
diststyle key distkey (record_key) sortkey (record_key);

create table if not exists "identity".memberships (
    record_key varchar(512) not null,
    customer_id varchar(32) not null,
    valid_from timestamp not null,
    valid_to timestamp,
    run_id varchar(256) not null,
    known_from timestamp not null,
    known_to timestamp
)
diststyle key distkey (record_key) sortkey (record_key);

-- Two records that a rule linked; not `used` when an exclusive identifier forbade it.
create table if not exists "identity".edges (
    record_key_a varchar(512) not null,
    record_key_b varchar(512) not null,
    rule varchar(128) not null,
    used boolean not null,
    run_id varchar(256) not null,
    known_from timestamp not null,
    known_to timestamp
)
diststyle key distkey (record_key_a) sortkey (record_key_a);

-- kind: mint, merge, split, move, delete, restore. `customer_id` is who it happened to: the survivor of a merge, the
-- one that lost records in a split, the one that a record moved to; `other_customer_id` is the other one.
create table if not exists "identity".events (
    event_id varchar(64) not null,
    kind varchar(16) not null,
    customer_id varchar(32) not null,
    other_customer_id varchar(32),
    record_key varchar(512),
    cause varchar(32) not null,
    rule varchar(128),
    edge_record_key_a varchar(512),
    edge_record_key_b varchar(512),
    run_id varchar(256) not null,
    known_at timestamp not null
)
diststyle key distkey (customer_id) sortkey (known_at);

-- Ids that no customer has now, and the customer that each stands for.
create table if not exists "identity".aliases (
    alias_id varchar(32) not null,
    customer_id varchar(32) not null,
    run_id varchar(256) not null,
    known_from timestamp not null,
    known_to timestamp
)
diststyle key distkey (customer_id) sortkey (alias_id);

create or replace view "identity".current_members as
select
    record_key,
    customer_id
from "identity".memberships
where known_to is null and valid_to is null;

create or replace view "identity".current_aliases as
select
    alias_id,
    customer_id
from "identity".aliases
where known_to is null;
