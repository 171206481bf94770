-- The record of what was applied. Always run, before anything else; it changes nothing when the table is there.
create schema if not exists ops;

create table if not exists ops.migrations (
    number integer not null,
    name varchar(200) not null,
    checksum varchar(64) not null,
    applied_at timestamp not null
);
