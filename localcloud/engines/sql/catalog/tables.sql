-- What DuckDB's catalog does not hold, kept in each database and changed in the transaction of the statement itself.
create schema if not exists public;
create schema if not exists pg_internal;

create table if not exists pg_internal.relations (
    schema_name varchar not null,
    relation_name varchar not null,
    kind varchar not null,  -- table, view, late_binding, materialized
    owner varchar not null,
    diststyle varchar,
    distkey varchar,
    sortkeys varchar[],
    sort_style varchar,
    definition varchar,
    created timestamp not null
);
create table if not exists pg_internal.columns (
    schema_name varchar not null,
    relation_name varchar not null,
    column_name varchar not null,
    declared_type varchar not null,
    encoding varchar,
    identity varchar
);
create table if not exists pg_internal.constraints (  -- informational in Redshift: nothing holds anybody to them
    schema_name varchar not null,
    relation_name varchar not null,
    constraint_name varchar not null,
    kind varchar not null,  -- p, u, f
    column_names varchar[] not null,
    used_schema varchar,
    used_relation varchar,
    used_columns varchar[]
);
create table if not exists pg_internal.schema_owners (schema_name varchar not null, owner varchar not null);
create table if not exists pg_internal.external_schemas (
    schema_name varchar not null,
    glue_database varchar not null,
    role_arn varchar not null,
    region varchar,
    owner varchar not null
);
create table if not exists pg_internal.privileges (
    object_kind varchar not null,  -- table, schema, database, function
    schema_name varchar not null,
    object_name varchar not null,
    grantee varchar not null,
    grantee_type varchar not null,  -- user, group, role, public
    privilege varchar not null,
    grantor varchar not null,
    admin_option boolean not null
);
create table if not exists pg_internal.view_uses (
    schema_name varchar not null,
    view_name varchar not null,
    used_schema varchar not null,
    used_name varchar not null
);
create table if not exists pg_internal.materialized_views (
    schema_name varchar not null,
    view_name varchar not null,
    statement varchar not null,  -- CREATE MATERIALIZED VIEW as it was given: clients read the attributes out of it
    autorefresh boolean not null,
    is_stale boolean not null
);
create table if not exists pg_internal.insert_steps (  -- of the last 7 days, as long as Redshift keeps its history
    schema_name varchar not null,
    relation_name varchar not null,
    username varchar not null,
    start_time timestamp not null
);
delete from pg_internal.insert_steps where start_time < now()::timestamp - interval 7 day;
create table if not exists pg_internal.functions (
    schema_name varchar not null,
    function_name varchar not null,
    argument_types varchar[] not null,
    return_type varchar not null,
    volatility varchar not null,
    definition varchar not null,
    macro_name varchar not null,
    owner varchar not null
);
create table if not exists pg_internal.comments (
    schema_name varchar not null,
    relation_name varchar not null,
    column_name varchar not null,
    comment varchar not null
);
create table if not exists pg_internal.load_errors (
    userid integer, tbl varchar, starttime timestamp, filename varchar, line_number bigint, colname varchar,
    type varchar, raw_line varchar, raw_field_value varchar, err_code integer, err_reason varchar
);
