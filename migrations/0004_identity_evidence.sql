-- Links with their evidence, the models that they come from, and what stewards decided.

-- `rule` names the fields in which the two are equal, `bits` is log2 of the odds that they are one person, `evidence`
-- what each field adds to that (JSON). Not `used`: outweighed, forbidden, or rather against than for.
alter table "identity".edges add column bits double precision;
alter table "identity".edges add column evidence varchar(2048);

-- By which model the records were compared when it happened.
alter table "identity".events add column model varchar(32);

-- Models by version; the file is `identity/models/<version>.json` in the lake. One is current at a time.
create table if not exists "identity".models (
    model varchar(32) not null,
    records bigint not null,
    compared_by varchar(64) not null,
    run_id varchar(256) not null,
    known_from timestamp not null,
    known_to timestamp
)
diststyle all sortkey (known_from);

-- Pairs of records that a person decided on: `link`, they are one person, `unlink`, they are two.
create table if not exists "identity".decisions (
    record_key_a varchar(512) not null,
    record_key_b varchar(512) not null,
    decision varchar(16) not null,
    decided_by varchar(256) not null,
    reason varchar(1024),
    known_from timestamp not null,
    known_to timestamp
)
diststyle all sortkey (known_from);
