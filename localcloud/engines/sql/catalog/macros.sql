-- Types of DuckDB's catalog in Redshift's words. Used by the catalog views.
create table redshift_system.main.users (
    usename varchar not null, usesysid integer not null, usecreatedb boolean, usesuper boolean, password varchar,
    valuntil timestamp, groups varchar[], roles varchar[]
);
create table redshift_system.main.groups (groname varchar not null, grosysid integer not null);
create table redshift_system.main.roles (role_name varchar not null, role_id integer not null, role_owner varchar);

create macro redshift_system.main.type_name (t) as case
    when t like 'DECIMAL%' then 'numeric' || substr(t, 8)
    when t in ('HUGEINT', 'UHUGEINT') then 'numeric(38,0)'
    when t = 'UBIGINT' then 'numeric(20,0)'
    when t in ('INTEGER', 'USMALLINT') then 'integer'
    when t in ('BIGINT', 'UINTEGER') then 'bigint'
    when t in ('SMALLINT', 'TINYINT', 'UTINYINT') then 'smallint'
    when t = 'FLOAT' then 'real'
    when t = 'DOUBLE' then 'double precision'
    when t in ('VARCHAR', 'UUID', '"NULL"') or t like 'ENUM%' then 'character varying(256)'
    when t = 'BOOLEAN' then 'boolean'
    when t = 'DATE' then 'date'
    when t = 'TIMESTAMP WITH TIME ZONE' then 'timestamp with time zone'
    when t like 'TIMESTAMP%' then 'timestamp without time zone'
    when t = 'TIME' then 'time without time zone'
    when t = 'TIME WITH TIME ZONE' then 'time with time zone'
    when t = 'INTERVAL' then 'interval'
    when t = 'BLOB' then 'binary varying(64000)'
    else 'super'
end;

create macro redshift_system.main.plain_type (declared) as case
    when declared like 'numeric%' then 'numeric'
    when declared like 'character varying%' then 'character varying'
    when declared like 'character%' then 'character'
    when declared like 'binary varying%' then 'binary varying'
    else declared
end;

create macro redshift_system.main.type_length (declared) as case
    when declared like 'character%' then cast(nullif(regexp_extract(declared, '\((\d+)\)', 1), '') as integer) end;
create macro redshift_system.main.type_precision (declared) as case
    when declared like 'numeric%' then cast(nullif(regexp_extract(declared, '\((\d+),', 1), '') as integer)
    when declared = 'integer' then 32 when declared = 'bigint' then 64 when declared = 'smallint' then 16
    when declared = 'real' then 24 when declared = 'double precision' then 53 end;
create macro redshift_system.main.type_scale (declared) as case
    when declared like 'numeric%' then cast(nullif(regexp_extract(declared, ',(\d+)\)', 1), '') as integer)
    when declared in ('integer', 'bigint', 'smallint') then 0 end;

create macro redshift_system.main.type_oid (declared) as case redshift_system.main.plain_type(declared)
    when 'boolean' then 16 when 'bigint' then 20 when 'smallint' then 21 when 'integer' then 23 when 'real' then 700
    when 'double precision' then 701 when 'character' then 1042 when 'character varying' then 1043 when 'date' then 1082
    when 'time without time zone' then 1083 when 'timestamp without time zone' then 1114
    when 'timestamp with time zone' then 1184 when 'interval' then 1186 when 'time with time zone' then 1266
    when 'numeric' then 1700 when 'super' then 4000 when 'binary varying' then 6551
    when 'hllsketch' then 2935 when 'geometry' then 3000 when 'geography' then 3001 else 25 end;

create macro redshift_system.main.type_modifier (declared) as case
    when declared like 'numeric%' then redshift_system.main.type_precision(declared) * 65536
        + redshift_system.main.type_scale(declared) + 4
    when declared like 'character%' then redshift_system.main.type_length(declared) + 4
    else -1 end;

create macro redshift_system.main.format_type (type_oid, modifier) as case type_oid
    when 16 then 'boolean' when 20 then 'bigint' when 21 then 'smallint' when 23 then 'integer' when 25 then 'text'
    when 26 then 'oid' when 700 then 'real' when 701 then 'double precision' when 1082 then 'date'
    when 1042 then 'character' || case when modifier > 4 then '(' || (modifier - 4) || ')' else '' end
    when 1043 then 'character varying' || case when modifier > 4 then '(' || (modifier - 4) || ')' else '' end
    when 1083 then 'time without time zone' when 1114 then 'timestamp without time zone'
    when 1184 then 'timestamp with time zone' when 1186 then 'interval' when 1266 then 'time with time zone'
    when 1700 then 'numeric' || case when modifier > 4
        then '(' || ((modifier - 4) // 65536) || ',' || ((modifier - 4) % 65536) || ')' else '' end
    when 4000 then 'super' when 6551 then 'binary varying' when 2935 then 'hllsketch' when 3000 then 'geometry'
    when 3001 then 'geography' else '???' end;

-- Clients ask format_encoding for the words; the numbers are ours.
create macro redshift_system.main.encodings () as ['none', 'bytedict', 'delta', 'lzo', 'runlength', 'mostly8',
    'mostly16', 'mostly32', 'text255', 'text32k', 'delta32k', 'zstd', 'az64', 'raw'];
create macro redshift_system.main.encoding_code (word) as
    greatest(coalesce(list_position(redshift_system.main.encodings(), lower(word)), 1) - 1, 0);
create macro redshift_system.main.format_encoding (code) as
    redshift_system.main.encodings()[cast(code as integer) + 1];
-- Positions in an interleaved key are positive and negative by turns (PG_TABLE_DEF); its first is taken as negative, so
-- that an interleaved key of one column can be told.
create macro redshift_system.main.sort_position (sort_columns, style, of_column) as cast(
    coalesce(list_position(sort_columns, of_column), 0)
    * case when style = 'interleaved' and list_position(sort_columns, of_column) % 2 = 1 then -1 else 1 end as integer);

create macro redshift_system.main.identifier_oid (qualified) as
    1000000000 + cast(hash(qualified) % 1000000000 as bigint);

create macro redshift_system.main.pg_get_userbyid (id) as
    (select usename from redshift_system.main.users u where u.usesysid = id);
create macro redshift_system.main.current_schemas (implicit) as case when implicit
    then ['pg_catalog', current_schema()] else [current_schema()] end;
create macro redshift_system.main.pg_table_is_visible (relation_oid) as true;
create macro redshift_system.main.pg_function_is_visible (function_oid) as true;
create macro redshift_system.main.pg_type_is_visible (of_type) as true;
create macro redshift_system.main.pg_encoding_to_char (e) as 'UTF8';
create macro redshift_system.main.pg_get_expr (expression, relation_oid) as expression;
create macro redshift_system.main.quote_ident (name) as case
    when regexp_full_match(name, '[a-z_][a-z0-9_]*') then name else '"' || replace(name, '"', '""') || '"' end;
create macro redshift_system.main.array_to_string (items, separator) as array_to_string(items, separator);
