-- Redshift's functions where DuckDB's answer differs or has another name. Each is called by its full name
-- (redshift_system.main.<name>), so that no name of a user hides it. Sources: "SQL functions reference" of the
-- Amazon Redshift Database Developer Guide, page by page.

-- Dates and times ---------------------------------------------------------------------------------------------------

create macro redshift_system.main.plus_interval
    (d date, i) as cast(d as timestamp) + i,
    (d timestamp, i) as d + i,
    (d timestamptz, i) as d + i,
    (d time, i) as d + i,
    (d varchar, i) as cast(d as timestamp) + i;

-- ADD_MONTHS: when the date is the last day of its month, the result is the last day of its month.
create macro redshift_system.main.add_months
    (d, n) as case
        when last_day(cast(cast(d as timestamp) as date)) = cast(cast(d as timestamp) as date)
        then cast(last_day(cast(cast(cast(d as timestamp) as date) + to_months(cast(n as integer)) as date)) as timestamp)
            + (cast(d as timestamp) - date_trunc('day', cast(d as timestamp)))
        else cast(d as timestamp) + to_months(cast(n as integer))
    end;

create macro redshift_system.main.months_between
    (a, b) as case
        when day(cast(a as timestamp)) = day(cast(b as timestamp))
            or (
                last_day(cast(a as timestamp)) = cast(cast(a as timestamp) as date)
                and last_day(cast(b as timestamp)) = cast(cast(b as timestamp) as date)
            )
        then cast(
            (year(cast(a as timestamp)) - year(cast(b as timestamp))) * 12
            + month(cast(a as timestamp)) - month(cast(b as timestamp)) as double
        )
        else
            (year(cast(a as timestamp)) - year(cast(b as timestamp))) * 12
            + month(cast(a as timestamp)) - month(cast(b as timestamp))
            + (epoch(cast(a as timestamp)) - epoch(date_trunc('month', cast(a as timestamp)))
               - epoch(cast(b as timestamp)) + epoch(date_trunc('month', cast(b as timestamp))))
              / 86400.0 / 31.0
    end;

create macro redshift_system.main.last_day
    (d) as last_day(cast(cast(d as timestamp) as date));

create macro redshift_system.main.next_day
    (d, weekday) as cast(cast(d as date) + cast(
        1 + (position(lower(left(weekday, 2)) in 'sumotuwethfrsa') // 2 - dayofweek(cast(d as date)) + 6) % 7
        as integer) as date);

create macro redshift_system.main.date_trunc
    (part, d date) as date_trunc(part, cast(d as timestamp)),
    (part, d timestamp) as date_trunc(part, d),
    (part, d timestamptz) as date_trunc(part, d),
    (part, d varchar) as date_trunc(part, cast(d as timestamp));

create macro redshift_system.main.date_diff
    (part, a time, b time) as date_diff(part, a, b),
    -- The engine counts whole weeks here; Redshift counts the Mondays between.
    (part, a, b) as case when part = 'week'
        then date_diff('day', date_trunc('week', cast(a as timestamp)), date_trunc('week', cast(b as timestamp))) // 7
        else date_diff(part, cast(a as timestamp), cast(b as timestamp)) end;

create macro redshift_system.main.to_char
    (v date, number_format, date_format) as strftime(v, date_format),
    (v timestamp, number_format, date_format) as strftime(v, date_format),
    (v timestamptz, number_format, date_format) as strftime(v, date_format),
    (v varchar, number_format, date_format) as strftime(cast(v as timestamp), date_format),
    (v decimal, number_format, date_format) as redshift_number_text(cast(v as varchar), number_format),
    (v bigint, number_format, date_format) as redshift_number_text(cast(v as varchar), number_format),
    (v integer, number_format, date_format) as redshift_number_text(cast(v as varchar), number_format),
    (v double, number_format, date_format) as redshift_number_text(cast(v as varchar), number_format);

create macro redshift_system.main.convert_timezone
    (source, target, d) as timezone(target, timezone(source, cast(d as timestamp)));

create macro redshift_system.main.trunc_date_or_number
    (v date) as v,
    (v timestamp) as cast(v as date),
    (v timestamptz) as cast(v as date),
    (v double) as trunc(v),
    (v decimal) as trunc(v),
    (v bigint) as v,
    (v integer) as v;

create macro redshift_system.main.trunc_scale
    (v, n) as trunc(cast(v as double) * power(10, n)) / power(10, n);

-- Strings -----------------------------------------------------------------------------------------------------------

-- SUBSTRING: a start before the first character counts towards the length.
create macro redshift_system.main.substring
    (s, first) as substr(cast(s as varchar), greatest(cast(first as bigint), 1)),
    (s, first, n) as case
        when n < 0 then error('22011: negative substring length not allowed')
        when first < 1 then substr(cast(s as varchar), 1, greatest(cast(first as bigint) + n - 1, 0))
        else substr(cast(s as varchar), cast(first as bigint), cast(n as bigint))
    end;

create macro redshift_system.main.concat (a, b) as cast(a as varchar) || cast(b as varchar);

create macro redshift_system.main.initcap (s) as array_to_string(
    list_transform(
        regexp_extract_all(cast(s as varchar), '[[:alnum:]]+|[^[:alnum:]]+'),
        lambda part: upper(left(part, 1)) || lower(substr(part, 2))
    ), ''
);

create macro redshift_system.main.left (s, n) as case
    when n < 0 then error('22011: LEFT takes a length of zero or more') else "left"(cast(s as varchar), n) end;

create macro redshift_system.main.right (s, n) as case
    when n < 0 then error('22011: RIGHT takes a length of zero or more') else "right"(cast(s as varchar), n) end;

create macro redshift_system.main.lpad
    (s, n) as lpad(cast(s as varchar), greatest(n, 0), ' '),
    (s, n, fill) as lpad(cast(s as varchar), greatest(n, 0), fill);

create macro redshift_system.main.rpad
    (s, n) as rpad(cast(s as varchar), greatest(n, 0), ' '),
    (s, n, fill) as rpad(cast(s as varchar), greatest(n, 0), fill);

create macro redshift_system.main.split_part (s, delimiter, n) as case
    when n = 0 then error('22023: field position must not be zero') else split_part(s, delimiter, n) end;

create macro redshift_system.main.regexp_count (s, pattern) as len(regexp_extract_all(s, pattern));

create macro redshift_system.main.regexp_substr_at (s, pattern, first, occurrence, capture, options) as coalesce(
    regexp_extract_all(substr(s, first), pattern, capture, options)[occurrence], '');

create macro redshift_system.main.regexp_instr (s, pattern) as case
    when regexp_matches(s, pattern) then strpos(s, regexp_extract(s, pattern)) else 0 end;

create macro redshift_system.main.bounded (s, n) as case
    when strlen(s) <= n then s
    when length(s) = strlen(s) then "left"(s, n)
    else redshift_first_bytes(s, n)
end;

create macro redshift_system.main.bounded_or_error (s, n) as case
    when s is null or strlen(s) <= n then s
    when strlen(rtrim(s, ' ')) <= n then "left"(s, n)
    else error('22001: Value too long for type character varying(' || n || ')')
end;

create macro redshift_system.main.padded (s, n) as rtrim(redshift_system.main.bounded(s, n), ' ');

-- Numbers -----------------------------------------------------------------------------------------------------------

create macro redshift_system.main.log10 (x) as log10(x);
create macro redshift_system.main.cbrt (x) as cbrt(x);

-- JSON and SUPER ----------------------------------------------------------------------------------------------------

create macro redshift_system.main.json_text_at
    (j, path) as case
        when j is null then null
        when json_valid(cast(j as varchar)) then json_extract_string(cast(j as varchar), path)
        else error('XX000: JSON parsing error, invalid json object ' || "left"(cast(j as varchar), 100))
    end,
    (j, path, null_if_invalid) as case
        when json_valid(cast(j as varchar)) then json_extract_string(cast(j as varchar), path)
        when j is null or null_if_invalid then null
        else error('XX000: JSON parsing error, invalid json object ' || "left"(cast(j as varchar), 100))
    end;

create macro redshift_system.main.is_valid_json (j) as json_valid(j) and json_type(case when json_valid(j) then j end) = 'OBJECT';
create macro redshift_system.main.is_valid_json_array (j) as json_valid(j) and json_type(case when json_valid(j) then j end) = 'ARRAY';
create macro redshift_system.main.can_json_parse (j) as json_valid(cast(j as varchar));

create macro redshift_system.main.json_array_length
    (j) as json_array_length(j),
    (j, null_if_invalid) as case
        when json_valid(j) then json_array_length(j)
        when null_if_invalid then null
        else error('XX000: JSON parsing error, invalid json array object')
    end;

create macro redshift_system.main.json_element_text
    (j, i) as json_extract_string(j, '$[' || i || ']'),
    (j, i, null_if_invalid) as case
        when json_valid(j) then json_extract_string(j, '$[' || i || ']')
        when null_if_invalid then null
        else error('XX000: JSON parsing error, invalid json array object')
    end;

create macro redshift_system.main.json_parse (j) as cast(j as json);
create macro redshift_system.main.json_serialize (j) as cast(to_json(j) as varchar);
create macro redshift_system.main.super_text
    (j json) as case when json_type(j) = 'VARCHAR' then json_extract_string(j, '$') else cast(j as varchar) end,
    (j) as cast(j as varchar);
create macro redshift_system.main.json_typeof (j) as case json_type(to_json(j))
    when 'OBJECT' then 'object' when 'ARRAY' then 'array' when 'VARCHAR' then 'string' when 'BOOLEAN' then 'boolean'
    when 'NULL' then 'null' else 'number' end;
create macro redshift_system.main.get_array_length (j) as case
    when json_type(to_json(j)) = 'ARRAY' then json_array_length(to_json(j)) end;
create macro redshift_system.main.array_concat (a, b) as to_json(
    list_concat(from_json(to_json(a), '["JSON"]'), from_json(to_json(b), '["JSON"]')));

-- Hashes ------------------------------------------------------------------------------------------------------------

create macro redshift_system.main.sha2 (s, bits) as case
    when bits in (0, 256) then sha256(s)
    when bits in (224, 384, 512) then redshift_sha2(s, cast(bits as integer)) end;

create macro redshift_system.main.strtol (s, base) as redshift_strtol(s, cast(base as integer));
