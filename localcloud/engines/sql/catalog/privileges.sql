-- Whether a user holds a privilege: as a superuser, as the owner, or by a grant to the user, a group, a role or PUBLIC.
-- A macro is text put in place: an alias of its own must be none that its caller may have.
create or replace macro pg_internal.is_superuser (who) as
    exists (select 1 from redshift_system.main.users own_u where own_u.usename = who and own_u.usesuper);
create or replace macro pg_internal.is_granted (who, on_kind, on_schema, on_name, wanted) as exists (
    select 1 from pg_internal.privileges own_p left join redshift_system.main.users own_u on own_u.usename = who
    where own_p.object_kind = on_kind and own_p.schema_name = on_schema and own_p.object_name = on_name
        and own_p.privilege = upper(wanted)
        and case own_p.grantee_type when 'public' then true when 'user' then own_p.grantee = who
            when 'group' then list_contains(own_u.groups, own_p.grantee)
            else list_contains(own_u.roles, own_p.grantee) end);
create or replace macro pg_internal.name_parts (qualified) as
    list_transform(string_split(qualified, '.'), lambda part: trim(part, '"'));
create or replace macro pg_internal.schema_part (qualified) as
    coalesce(pg_internal.name_parts(qualified)[-2], string_split(getvariable('search_path'), ',')[1]);
create or replace macro pg_internal.has_table_privilege (who, qualified, wanted) as (
    pg_internal.is_superuser(who)
    or exists (select 1 from pg_internal.all_relations own_r where own_r.owner = who
        and own_r.schema_name = pg_internal.schema_part(qualified)
        and own_r.relation_name = pg_internal.name_parts(qualified)[-1])
    or pg_internal.is_granted(who, 'table', pg_internal.schema_part(qualified), pg_internal.name_parts(qualified)[-1],
        wanted));
create or replace macro pg_internal.has_schema_privilege (who, qualified, wanted) as (
    pg_internal.is_superuser(who)
    -- PUBLIC may use the schema `public` and create in it from the start.
    or trim(qualified, '"') = 'public'
    or exists (select 1 from pg_internal.namespaces own_s
        where own_s.schema_name = trim(qualified, '"') and own_s.owner = who)
    or pg_internal.is_granted(who, 'schema', trim(qualified, '"'), trim(qualified, '"'), wanted));
create or replace macro pg_internal.has_database_privilege (who, qualified, wanted) as (
    pg_internal.is_superuser(who)
    -- PUBLIC may create temporary tables in every database from the start.
    or upper(wanted) in ('TEMP', 'TEMPORARY')
    or pg_internal.is_granted(who, 'database', '', trim(qualified, '"'), wanted));
