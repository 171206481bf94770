-- The system catalog as clients read it. A view of pg_catalog has its plain name; one of information_schema is named
-- "information_schema.<view>". Every view of a database shows that database only.

create or replace view pg_internal.namespaces as
select s.oid as oid, s.schema_name, coalesce(o.owner, 'rdsdb') as owner
from duckdb_schemas() s
left join pg_internal.schema_owners o on o.schema_name = s.schema_name
where s.database_name = current_database()
    and s.schema_name not in ('pg_internal', 'main', 'pg_catalog', 'information_schema');

create or replace view pg_internal.all_relations as
select
    t.table_oid as oid, t.schema_oid, t.schema_name, t.table_name as relation_name,
    coalesce(r.kind, 'table') as kind, coalesce(r.owner, 'rdsdb') as owner, t.column_count as natts,
    t.estimated_size as estimated_rows, r.diststyle, r.distkey, r.sortkeys, r.sort_style,
    coalesce(m.statement, r.definition) as definition, t.comment, r.created
from duckdb_tables() t
left join pg_internal.relations r on r.schema_name = t.schema_name and r.relation_name = t.table_name
left join pg_internal.materialized_views m on m.schema_name = t.schema_name and m.view_name = t.table_name
where t.database_name = current_database() and not t.internal and t.schema_name not in ('pg_internal', 'main')
union all
select
    v.view_oid, v.schema_oid, v.schema_name, v.view_name, 'view', coalesce(r.owner, 'rdsdb'), v.column_count,
    0, null, null, null, null, coalesce(r.definition, v.sql), v.comment, r.created
from duckdb_views() v
left join pg_internal.relations r on r.schema_name = v.schema_name and r.relation_name = v.view_name
where v.database_name = current_database() and not v.internal and v.schema_name not in ('pg_internal', 'main')
union all
select
    redshift_system.main.identifier_oid(r.schema_name || '.' || r.relation_name), s.oid, r.schema_name,
    r.relation_name, r.kind, r.owner, 0, 0, null, null, null, null, r.definition, c.comment, r.created
from pg_internal.relations r
join duckdb_schemas() s on s.schema_name = r.schema_name and s.database_name = current_database()
left join pg_internal.comments c
    on c.schema_name = r.schema_name and c.relation_name = r.relation_name and c.column_name = ''
where r.kind = 'late_binding';

create or replace view pg_internal.all_columns as
select
    c.table_oid as relation_oid, c.schema_name, c.table_name as relation_name, c.column_name,
    c.column_index as ordinal, coalesce(k.declared_type, redshift_system.main.type_name(c.data_type)) as declared_type,
    c.is_nullable, c.column_default, c.comment, k.encoding, k.identity
from duckdb_columns() c
left join pg_internal.columns k
    on k.schema_name = c.schema_name and k.relation_name = c.table_name and k.column_name = c.column_name
where c.database_name = current_database() and not c.internal and c.schema_name not in ('pg_internal', 'main')
union all
select
    t.table_oid, 'pg_temp', t.table_name, c.column_name, c.column_index,
    redshift_system.main.type_name(c.data_type), c.is_nullable, c.column_default, c.comment, null, null
from duckdb_columns() c
join duckdb_tables() t on t.table_oid = c.table_oid and t.database_name = c.database_name and t.temporary
where c.database_name = 'temp';

-- What a macro calls its own rows must be no name that a caller may use: an argument is put in as it is written.
create or replace macro pg_internal.ordinals (of_schema, of_relation, names) as (
    select list(cast(own_row.ordinal as smallint) order by list_position(names, own_row.column_name))
    from pg_internal.all_columns own_row
    where own_row.schema_name = of_schema and own_row.relation_name = of_relation
        and list_contains(names, own_row.column_name));
create or replace view pg_internal.pg_namespace as
select n.oid, n.schema_name as nspname, coalesce(u.usesysid, 1) as nspowner, cast(null as varchar) as nspacl
from pg_internal.namespaces n left join redshift_system.main.users u on u.usename = n.owner
union all select 11, 'pg_catalog', 1, null
union all select 12, 'information_schema', 1, null;

-- Redshift keeps the rows of a materialized view in a table of its own, which clients read the keys of.
create or replace view pg_internal.visible_and_stored as
select * from pg_internal.all_relations
union all
select * replace (
    redshift_system.main.identifier_oid(schema_name || '.mv_tbl__' || relation_name || '__0') as oid,
    'mv_tbl__' || relation_name || '__0' as relation_name, 'table' as kind, cast(null as varchar) as definition)
from pg_internal.all_relations where kind = 'materialized';

-- As PostgreSQL has it, a primary or unique key has an index, by which clients look for the key's columns.
create or replace view pg_internal.key_indexes as
select redshift_system.main.identifier_oid('index ' || schema_name || '.' || relation_name || '.' || constraint_name)
    as oid, *
from pg_internal.constraints where kind in ('p', 'u');

create or replace view pg_internal.pg_class as
select
    r.oid, r.relation_name as relname, r.schema_oid as relnamespace, 0 as reltype,
    coalesce(u.usesysid, 1) as relowner, 0 as relam, cast(0 as bigint) as relfilenode, 0 as reltablespace,
    0 as relpages, cast(r.estimated_rows as real) as reltuples, 0 as reltoastrelid, false as relhasindex,
    false as relisshared, case when r.kind = 'table' then 'r' else 'v' end as relkind,
    cast(r.natts as smallint) as relnatts, false as relhasrules,
    cast((select '{' || string_agg(p.grantee || '=' || p.letters || '/' || p.grantor, ',') || '}' from (
        select grantee, max(grantor) as grantor, string_agg(case privilege when 'SELECT' then 'r' when 'INSERT' then 'a'
            when 'UPDATE' then 'w' when 'DELETE' then 'd' when 'REFERENCES' then 'x' else '' end, '') as letters
        from pg_internal.privileges
        where object_kind = 'table' and schema_name = r.schema_name and object_name = r.relation_name
        group by grantee) p) as varchar) as relacl,
    cast(case lower(r.diststyle) when 'key' then 1 when 'all' then 8 when 'auto' then 9 else 0 end as smallint)
        as reldiststyle
from pg_internal.visible_and_stored r left join redshift_system.main.users u on u.usename = r.owner
union all
select k.oid, k.constraint_name, r.schema_oid, 0, coalesce(u.usesysid, 1), 403, 0, 0, 0, 0, 0, false, false, 'i',
    cast(len(k.column_names) as smallint), false, null, 0
from pg_internal.key_indexes k
join pg_internal.all_relations r on r.schema_name = k.schema_name and r.relation_name = k.relation_name
left join redshift_system.main.users u on u.usename = r.owner;

create or replace view pg_internal.pg_attribute as
select
    s.oid as attrelid, c.column_name as attname, redshift_system.main.type_oid(c.declared_type) as atttypid,
    -1 as attstattarget, cast(-1 as smallint) as attlen, cast(c.ordinal as smallint) as attnum, 0 as attndims,
    redshift_system.main.type_modifier(c.declared_type) as atttypmod, not c.is_nullable as attnotnull,
    c.column_default is not null as atthasdef, false as attisdropped,
    coalesce(r.distkey = c.column_name, false) as attisdistkey,
    redshift_system.main.sort_position(r.sortkeys, r.sort_style, c.column_name) as attsortkeyord,
    cast(redshift_system.main.encoding_code(c.encoding) as integer) as attencodingtype
from pg_internal.all_columns c
left join pg_internal.relations r on r.schema_name = c.schema_name and r.relation_name = c.relation_name
cross join lateral (
    select c.relation_oid as oid
    union all
    select redshift_system.main.identifier_oid(c.schema_name || '.mv_tbl__' || c.relation_name || '__0')
    where r.kind = 'materialized'
) s
union all
select k.oid, k.column_name, redshift_system.main.type_oid(c.declared_type), -1, cast(-1 as smallint),
    cast(k.place as smallint), 0, redshift_system.main.type_modifier(c.declared_type), false, false, false, false, 0, 0
from (
    select *, unnest(column_names) as column_name, unnest(range(1, len(column_names) + 1)) as place
    from pg_internal.key_indexes
) k
join pg_internal.all_columns c on c.schema_name = k.schema_name and c.relation_name = k.relation_name
    and c.column_name = k.column_name;

create or replace view pg_internal.pg_type as
select * from (values
    (16, 'bool', 1), (17, 'bytea', -1), (18, 'char', 1), (19, 'name', 128), (20, 'int8', 8), (21, 'int2', 2),
    (23, 'int4', 4), (25, 'text', -1), (26, 'oid', 4), (700, 'float4', 4), (701, 'float8', 8), (1042, 'bpchar', -1),
    (1043, 'varchar', -1), (1082, 'date', 4), (1083, 'time', 8), (1114, 'timestamp', 8), (1184, 'timestamptz', 8),
    (1186, 'interval', 16), (1266, 'timetz', 12), (1700, 'numeric', -1), (4000, 'super', -1), (6551, 'varbyte', -1),
    (2935, 'hllsketch', -1), (3000, 'geometry', -1), (3001, 'geography', -1)
) as types (oid, typname, typlen)
cross join (select 11 as typnamespace, 1 as typowner, 'b' as typtype, true as typisdefined, ',' as typdelim,
    0 as typrelid, 0 as typelem, false as typnotnull, 0 as typbasetype, -1 as typtypmod) fixed;

create or replace view pg_internal.pg_tables as
select schema_name as schemaname, relation_name as tablename, owner as tableowner, cast(null as varchar) as tablespace,
    false as hasindexes, false as hasrules, false as hastriggers
from pg_internal.all_relations where kind = 'table';

create or replace view pg_internal.pg_views as
select schema_name as schemaname, relation_name as viewname, owner as viewowner, definition
from pg_internal.all_relations where kind <> 'table';

create or replace view pg_internal.pg_user as
select usename, usesysid, usecreatedb, usesuper, false as usecatupd, '********' as passwd, valuntil,
    cast(null as varchar) as useconfig
from redshift_system.main.users;
create or replace view pg_internal.pg_user_info as select * from pg_internal.pg_user;
create or replace view pg_internal.svv_user_info as
select usename as user_name, usesysid as user_id, usecreatedb as createdb, usesuper as superuser,
    false as catalog_update, null as connection_limit, 'UNRESTRICTED' as syslog_access, null as last_ddl_ts,
    null as session_timeout, null as external_user_id
from redshift_system.main.users;
create or replace view pg_internal.pg_group as
select g.groname, g.grosysid, (
    select list(u.usesysid) from redshift_system.main.users u where list_contains(u.groups, g.groname)) as grolist
from redshift_system.main.groups g;
create or replace view pg_internal.svv_roles as
select role_id, role_name, role_owner, cast(null as varchar) as external_id from redshift_system.main.roles;

create or replace view pg_internal.pg_database as
select database_oid as oid, database_name as datname, 1 as datdba, 6 as encoding, false as datistemplate,
    true as datallowconn, 0 as datlastsysoid, cast(null as varchar) as datacl
from duckdb_databases() where not internal and database_name <> 'redshift_system' and database_name <> 'memory';
create or replace view pg_internal.svv_redshift_databases as
select datname as database_name, 1 as database_owner, 'local' as database_type, cast(null as varchar) as database_acl,
    cast(null as varchar) as database_options, 'Snapshot Isolation' as database_isolation_level
from pg_internal.pg_database;
create or replace view pg_internal.svv_all_databases as select * from pg_internal.svv_redshift_databases;

create or replace view pg_internal.pg_description as
select r.oid as objoid, 1259 as classoid, 0 as objsubid, r.comment as description
from pg_internal.all_relations r where r.comment is not null
union all
select c.relation_oid, 1259, c.ordinal, c.comment from pg_internal.all_columns c where c.comment is not null;

create or replace view pg_internal.pg_index as
select k.oid as indexrelid, r.oid as indrelid,
    array_to_string(pg_internal.ordinals(k.schema_name, k.relation_name, k.column_names), ' ') as indkey,
    cast(len(k.column_names) as smallint) as indnatts, true as indisunique, k.kind = 'p' as indisprimary,
    false as indisclustered, cast(null as varchar) as indexprs, cast(null as varchar) as indpred
from pg_internal.key_indexes k
join pg_internal.all_relations r on r.schema_name = k.schema_name and r.relation_name = k.relation_name;
create or replace view pg_internal.pg_indexes as
select '' as schemaname, '' as tablename, '' as indexname, '' as tablespace, '' as indexdef where false;
create or replace macro pg_internal.listed (names) as
    '(' || array_to_string(list_transform(names, lambda n: redshift_system.main.quote_ident(n)), ', ') || ')';
create or replace view pg_internal.pg_constraint as
select redshift_system.main.identifier_oid(
        'constraint ' || k.schema_name || '.' || k.relation_name || '.' || k.constraint_name) as oid,
    k.constraint_name as conname, r.schema_oid as connamespace, k.kind as contype, r.oid as conrelid,
    coalesce(u.oid, 0) as confrelid, pg_internal.ordinals(k.schema_name, k.relation_name, k.column_names) as conkey,
    pg_internal.ordinals(k.used_schema, k.used_relation, k.used_columns) as confkey,
    case k.kind when 'p' then 'PRIMARY KEY ' when 'u' then 'UNIQUE ' else 'FOREIGN KEY ' end
        || pg_internal.listed(k.column_names)
        || case when k.kind = 'f' then ' REFERENCES '
            || case when k.used_schema = 'public' then '' else redshift_system.main.quote_ident(k.used_schema) || '.' end
            || redshift_system.main.quote_ident(k.used_relation) || pg_internal.listed(k.used_columns)
        else '' end as consrc
from pg_internal.constraints k
join pg_internal.all_relations r on r.schema_name = k.schema_name and r.relation_name = k.relation_name
left join pg_internal.all_relations u on u.schema_name = k.used_schema and u.relation_name = k.used_relation;
create or replace view pg_internal.pg_attrdef as
select relation_oid as adrelid, ordinal as adnum, source as adbin, source as adsrc
from (
    select *, case when identity is not null
        then '"identity"(' || relation_oid || ', ' || (ordinal - 1) || ', ''' || identity || '''::text)'
        else column_default end as source
    from pg_internal.all_columns
)
where source is not null;
create or replace macro pg_internal.pg_get_constraintdef (of_constraint) as
    (select own_row.consrc from pg_internal.pg_constraint own_row where own_row.oid = of_constraint);
create or replace macro pg_internal.pg_get_viewdef (of_relation) as
    (select own_row.definition from pg_internal.all_relations own_row
    where own_row.oid = of_relation and own_row.kind <> 'table');
create or replace macro pg_internal.col_description (of_relation, at_ordinal) as (
    select own_row.description from pg_internal.pg_description own_row
    where own_row.objoid = of_relation and own_row.objsubid = at_ordinal and at_ordinal > 0);
create or replace macro pg_internal.plain_name (written) as case
    when starts_with(written, '"') then replace(substr(written, 2, length(written) - 2), '""', '"')
    else lower(written) end;
-- Of the relation that a text names, `schema.relation` with any of the two in quotes; by the search path without schema.
create or replace macro pg_internal.regclass_oid (written) as case when written is null then null else coalesce(
    (select first(own_row.oid order by coalesce(
        list_position(string_split(getvariable('search_path'), ','), own_row.schema_name), 0))
    from pg_internal.all_relations own_row
    where own_row.relation_name = pg_internal.plain_name(
            regexp_extract(written, '^(?:(?:"(?:[^"]|"")+"|[^".]+)\.)?("(?:[^"]|"")+"|[^".]+)$', 1))
        and case when regexp_matches(written, '^("(?:[^"]|"")+"|[^".]+)\.("(?:[^"]|"")+"|[^".]+)$')
            then own_row.schema_name = pg_internal.plain_name(regexp_extract(written, '^("(?:[^"]|"")+"|[^".]+)\.', 1))
            else list_contains(string_split(getvariable('search_path'), ','), own_row.schema_name) end),
    error('42P01: relation "' || written || '" does not exist')) end;
create or replace macro pg_internal.obj_description (of_relation) as
    (select own_row.description from pg_internal.pg_description own_row
    where own_row.objoid = of_relation and own_row.objsubid = 0);
create or replace view pg_internal.pg_proc as
select redshift_system.main.identifier_oid(f.schema_name || '.' || f.function_name || '()') as oid,
    f.function_name as proname, n.oid as pronamespace, 1 as proowner, 0 as prolang,
    false as proisagg, false as prosecdef, cast(len(f.argument_types) as smallint) as pronargs,
    redshift_system.main.type_oid(f.return_type) as prorettype,
    array_to_string(list_transform(f.argument_types, lambda t: cast(redshift_system.main.type_oid(t) as varchar)), ' ')
        as proargtypes,
    f.definition as prosrc, left(f.volatility, 1) as provolatile, f.argument_types as proargtypenames
from pg_internal.functions f join pg_internal.namespaces n on n.schema_name = f.schema_name;
create or replace view pg_internal.pg_proc_info as
select oid as prooid, * exclude (oid), 'f' as prokind from pg_internal.pg_proc;
create or replace view pg_internal.pg_language as
select 14 as oid, 'sql' as lanname, true as lanpltrusted;
create or replace view pg_internal.pg_rewrite as
select redshift_system.main.identifier_oid('rule ' || schema_name || '.' || relation_name) as oid,
    '_RETURN' as rulename, oid as ev_class, '1' as ev_type
from pg_internal.all_relations where kind <> 'table';
create or replace view pg_internal.pg_depend as
select 2618 as classid, redshift_system.main.identifier_oid('rule ' || u.schema_name || '.' || u.view_name) as objid,
    0 as objsubid, 1259 as refclassid, r.oid as refobjid, 0 as refobjsubid, 'n' as deptype
from pg_internal.view_uses u
join pg_internal.all_relations r on r.schema_name = u.used_schema and r.relation_name = u.used_name;
create or replace view pg_internal.pg_table_def as
select c.schema_name as schemaname, c.relation_name as tablename, c.column_name as "column", c.declared_type as type,
    coalesce(c.encoding, 'none') as encoding, coalesce(r.distkey = c.column_name, false) as distkey,
    redshift_system.main.sort_position(r.sortkeys, r.sort_style, c.column_name) as sortkey,
    not c.is_nullable as "notnull"
from pg_internal.all_columns c
join pg_internal.all_relations r on r.schema_name = c.schema_name and r.relation_name = c.relation_name
where list_contains(string_split(getvariable('search_path'), ','), c.schema_name);

create or replace view pg_internal."information_schema.tables" as
select current_database() as table_catalog, schema_name as table_schema, relation_name as table_name,
    case when kind = 'table' then 'BASE TABLE' else 'VIEW' end as table_type
from pg_internal.all_relations;
create or replace view pg_internal."information_schema.views" as
select current_database() as table_catalog, schema_name as table_schema, relation_name as table_name,
    definition as view_definition, 'NONE' as check_option, 'NO' as is_updatable, 'NO' as is_insertable_into
from pg_internal.all_relations where kind <> 'table';
create or replace view pg_internal."information_schema.schemata" as
select current_database() as catalog_name, schema_name, owner as schema_owner from pg_internal.namespaces;
create or replace view pg_internal."information_schema.columns" as
select current_database() as table_catalog, schema_name as table_schema, relation_name as table_name, column_name,
    cast(ordinal as integer) as ordinal_position, column_default,
    case when is_nullable then 'YES' else 'NO' end as is_nullable,
    redshift_system.main.plain_type(declared_type) as data_type,
    redshift_system.main.type_length(declared_type) as character_maximum_length,
    redshift_system.main.type_precision(declared_type) as numeric_precision,
    redshift_system.main.type_scale(declared_type) as numeric_scale,
    case when declared_type like 'timestamp%' or declared_type like 'time %' then 6 end as datetime_precision
from pg_internal.all_columns;
create or replace view pg_internal."information_schema.table_constraints" as
select current_database() as constraint_catalog, schema_name as constraint_schema, constraint_name,
    current_database() as table_catalog, schema_name as table_schema, relation_name as table_name,
    case kind when 'p' then 'PRIMARY KEY' when 'u' then 'UNIQUE' else 'FOREIGN KEY' end as constraint_type,
    'NO' as is_deferrable, 'NO' as initially_deferred
from pg_internal.constraints;
create or replace view pg_internal."information_schema.key_column_usage" as
select current_database() as constraint_catalog, schema_name as constraint_schema, constraint_name,
    current_database() as table_catalog, schema_name as table_schema, relation_name as table_name,
    unnest(column_names) as column_name, cast(unnest(range(1, len(column_names) + 1)) as integer) as ordinal_position
from pg_internal.constraints;
create or replace view pg_internal."information_schema.referential_constraints" as
select current_database() as constraint_catalog, f.schema_name as constraint_schema, f.constraint_name,
    current_database() as unique_constraint_catalog, k.schema_name as unique_constraint_schema,
    k.constraint_name as unique_constraint_name, 'NONE' as match_option, 'NO ACTION' as update_rule,
    'NO ACTION' as delete_rule
from pg_internal.constraints f
left join pg_internal.constraints k on f.used_schema = k.schema_name and f.used_relation = k.relation_name
    and f.used_columns = k.column_names and k.kind in ('p', 'u')
where f.kind = 'f';
create or replace view pg_internal."information_schema.table_privileges" as
select grantor, grantee, current_database() as table_catalog, schema_name as table_schema, object_name as table_name,
    privilege as privilege_type, case when admin_option then 'YES' else 'NO' end as is_grantable
from pg_internal.privileges where object_kind = 'table';

create or replace view pg_internal.svv_tables as
select current_database() as table_catalog, schema_name as table_schema, relation_name as table_name,
    case when kind = 'table' then 'BASE TABLE' else 'VIEW' end as table_type, comment as remarks
from pg_internal.all_relations;
create or replace view pg_internal.svv_columns as
select *, cast(null as varchar) as remarks from pg_internal."information_schema.columns";
create or replace view pg_internal.svv_redshift_schemas as
select current_database() as database_name, schema_name, 1 as schema_owner, 'local' as schema_type,
    cast(null as varchar) as schema_acl, cast(null as varchar) as schema_option
from pg_internal.namespaces;
create or replace view pg_internal.svv_all_schemas as
select s.database_name, s.schema_name, s.schema_owner,
    case when e.schema_name is null then 'local' else 'external' end as schema_type, s.schema_acl,
    e.glue_database as source_database, s.schema_option
from pg_internal.svv_redshift_schemas s left join pg_internal.external_schemas e using (schema_name);
create or replace view pg_internal.svv_redshift_tables as
select current_database() as database_name, schema_name, relation_name as table_name,
    case kind when 'table' then 'TABLE' when 'materialized' then 'MATERIALIZED VIEW' else 'VIEW' end as table_type,
    cast(null as varchar) as table_acl, comment as remarks
from pg_internal.all_relations;
create or replace view pg_internal.svv_all_tables as select * from pg_internal.svv_redshift_tables;
create or replace view pg_internal.svv_redshift_columns as
select current_database() as database_name, schema_name, relation_name as table_name, column_name,
    cast(ordinal as integer) as ordinal_position, declared_type as data_type, column_default,
    case when is_nullable then 'YES' else 'NO' end as is_nullable, coalesce(encoding, '') as encoding,
    false as distkey, 0 as sortkey, cast(null as varchar) as column_acl, comment as remarks
from pg_internal.all_columns where schema_name <> 'pg_temp';
create or replace view pg_internal.svv_all_columns as
select database_name, schema_name, table_name, column_name, ordinal_position, column_default, is_nullable, data_type,
    redshift_system.main.type_length(data_type) as character_maximum_length,
    redshift_system.main.type_precision(data_type) as numeric_precision,
    redshift_system.main.type_scale(data_type) as numeric_scale, remarks
from pg_internal.svv_redshift_columns;

create or replace view pg_internal.svv_table_info as
select current_database() as "database", schema_name as "schema", cast(oid as bigint) as table_id,
    relation_name as "table", 'Y, AUTO(ENCODE)' as encoded,
    case when distkey is not null then 'KEY(' || distkey || ')' when lower(diststyle) = 'even' then 'EVEN'
        when lower(diststyle) = 'all' then 'ALL' else 'AUTO(ALL)' end as diststyle,
    case when sort_style = 'interleaved' then 'INTERLEAVED' when len(sortkeys) > 0 then sortkeys[1]
        else 'AUTO(SORTKEY)' end as sortkey1,
    256 as max_varchar, 'none' as sortkey1_enc, cast(coalesce(len(sortkeys), 0) as integer) as sortkey_num,
    cast(1 as bigint) as size, cast(0.0 as decimal(10,4)) as pct_used, cast(0 as bigint) as empty,
    cast(0.0 as decimal(5,2)) as unsorted, cast(0.0 as decimal(5,2)) as stats_off,
    cast(estimated_rows as decimal(38,0)) as tbl_rows, cast(null as decimal(19,2)) as skew_sortkey1,
    cast(null as decimal(19,2)) as skew_rows, cast(estimated_rows as decimal(38,0)) as estimated_visible_rows,
    created as create_time
from pg_internal.all_relations where kind in ('table', 'materialized') and estimated_rows > 0;

create or replace view pg_internal.svv_external_schemas as
select redshift_system.main.identifier_oid(e.schema_name) as esoid, 1 as eskind, e.schema_name as schemaname,
    1 as esowner, e.glue_database as databasename,
    '{"IAM_ROLE":"' || e.role_arn || '"' || coalesce(',"REGION":"' || e.region || '"', '') || '}' as esoptions
from pg_internal.external_schemas e;

create or replace view pg_internal.svv_relation_privileges as
select schema_name as namespace_name, object_name as relation_name, privilege as privilege_type,
    coalesce(u.usesysid, 0) as identity_id, grantee as identity_name, grantee_type as identity_type, admin_option
from pg_internal.privileges p left join redshift_system.main.users u on u.usename = p.grantee
where object_kind = 'table';
create or replace view pg_internal.svv_schema_privileges as
select object_name as namespace_name, privilege as privilege_type, coalesce(u.usesysid, 0) as identity_id,
    grantee as identity_name, grantee_type as identity_type, admin_option
from pg_internal.privileges p left join redshift_system.main.users u on u.usename = p.grantee
where object_kind = 'schema';

create or replace view pg_internal.stv_mv_info as
select current_database() as db_name, m.schema_name as "schema", m.view_name as name,
    cast(0 as bigint) as updated_upto_xid, case when m.is_stale then 't' else 'f' end as is_stale,
    r.owner as owner_user_name, 0 as state, case when m.autorefresh then 't' else 'f' end as autorefresh,
    'f' as autorewrite
from pg_internal.materialized_views m
join pg_internal.relations r on r.schema_name = m.schema_name and r.relation_name = m.view_name;
create or replace view pg_internal.svv_mv_info as
select db_name as database_name, "schema" as schema_name, owner_user_name as user_name, name, is_stale, state,
    autorewrite, autorefresh
from pg_internal.stv_mv_info;
create or replace view pg_internal.sys_query_detail as
select coalesce(u.usesysid, 1) as user_id, 'insert' as step_name, cast(r.oid as integer) as table_id,
    current_database() || '.' || i.schema_name || '.' || i.relation_name as table_name, i.start_time
from pg_internal.insert_steps i
join pg_internal.all_relations r on r.schema_name = i.schema_name and r.relation_name = i.relation_name
left join redshift_system.main.users u on u.usename = i.username;
create or replace view pg_internal.stl_load_errors as select * from pg_internal.load_errors;
create or replace view pg_internal.stv_recents as
select 0 as userid, '' as status, now()::timestamp as starttime, 0 as duration, '' as user_name, '' as db_name,
    '' as query, 0 as pid where false;
create or replace view pg_internal.pg_settings as
select name, value as setting, description as short_desc from duckdb_settings() where false;
