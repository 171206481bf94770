-- The ledger of loads and what the stages did (docs/architecture.md, Names). Times are UTC without zone.
create table ops.partition_loads (
    source varchar(63) not null,
    day date not null,
    load_id varchar(40) not null,
    extracted_at timestamp not null,
    landed_at timestamp not null,
    run_id varchar(250) not null,
    claimed_by varchar(250),
    applied_at timestamp
)
diststyle all
sortkey (source, day);

create table ops.load_tables (
    source varchar(63) not null,
    table_name varchar(63) not null,
    load_id varchar(40) not null,
    mode varchar(20) not null,
    first_day date not null,
    last_day date not null,
    rows_in bigint not null,
    rows_out bigint not null,
    rows_quarantined bigint not null
)
diststyle all
sortkey (source, table_name);

create table ops.quarantine_reasons (
    source varchar(63) not null,
    table_name varchar(63) not null,
    load_id varchar(40) not null,
    day date not null,
    reason varchar(65535) not null,
    row_count bigint not null
)
diststyle all
sortkey (source, table_name);

create table ops.stage_runs (
    dag_id varchar(250) not null,
    run_id varchar(250) not null,
    stage varchar(250) not null,
    source varchar(63),
    day date,
    rows_in bigint,
    rows_out bigint,
    rows_quarantined bigint,
    engine_seconds double precision,
    finished_at timestamp not null
)
diststyle all
sortkey (dag_id, finished_at);

create table ops.published_profiles (
    customer_id varchar(64) not null,
    profile_hash varchar(64) not null,
    index_name varchar(250) not null,
    published_at timestamp not null
)
diststyle key
distkey (customer_id)
sortkey (customer_id);

create schema if not exists "identity";
