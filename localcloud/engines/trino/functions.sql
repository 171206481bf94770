-- Trino's functions and operators where DuckDB's answer differs or has another name.
-- Source: "Functions and operators" of the Trino documentation (Athena engine version 3 follows it).

-- Whole numbers divided give a whole number, and by zero an error; fractions by zero are infinite.
create macro trino_divide
    (a bigint, b bigint) as case when b = 0 then error('DIVISION_BY_ZERO: Division by zero') else a // b end,
    (a double, b double) as a / b;
create macro trino_modulo
    (a bigint, b bigint) as case when b = 0 then error('DIVISION_BY_ZERO: Division by zero') else a % b end,
    (a double, b double) as a % b;
-- Without a match there is no value; the engine gives an empty text.
create macro trino_regexp_extract
    (value, pattern) as case when regexp_matches(value, pattern) then regexp_extract(value, pattern) end,
    (value, pattern, item) as case when regexp_matches(value, pattern) then regexp_extract(value, pattern, item) end;
create macro trino_split_part (value, delimiter, position) as string_split(value, delimiter)[position];
-- Whole units that have passed, where the engine's date_diff counts the boundaries between.
create macro trino_date_diff (unit, a, b) as
    date_sub(unit, cast(a as timestamp), cast(b as timestamp));
-- A date stays a date.
create macro trino_date_add (value date, period) as cast(value + period as date), (value, period) as value + period;
create macro trino_date_trunc
    (unit, value date) as cast(date_trunc(unit, value) as date),
    (unit, value) as date_trunc(unit, value);
create macro trino_json_extract_scalar (document, path) as case
    when json_type(document, path) in ('OBJECT', 'ARRAY') then null
    else document ->> path end;
create macro from_iso8601_date (value) as cast(value as date);
create macro from_iso8601_timestamp (value) as cast(value as timestamptz);
create macro to_iso8601
    (value date) as strftime(value, '%Y-%m-%d'),
    (value) as strftime(cast(value as timestamp), '%Y-%m-%dT%H:%M:%S.%g');
create macro from_utf8 (value) as decode(value);
create macro to_utf8 (value) as encode(value);
create macro codepoint (value) as unicode(value);
create macro bitwise_and (a, b) as a & b;
create macro bitwise_or (a, b) as a | b;
create macro is_nan (value) as isnan(value);
create macro is_finite (value) as isfinite(value);
create macro is_infinite (value) as isinf(value);
create macro truncate (value) as trunc(value);
create macro array_join
    (items, delimiter) as array_to_string(list_filter(items, lambda item: item is not null), delimiter),
    (items, delimiter, missing) as
        array_to_string(list_transform(items, lambda item: coalesce(cast(item as varchar), missing)), delimiter);
create macro array_distinct (items) as list_distinct(items);
create macro array_sort (items) as list_sort(items, 'ASC', 'NULLS LAST');
create macro array_max (items) as list_max(items);
create macro array_min (items) as list_min(items);
create macro array_except (a, b) as list_filter(list_distinct(a), lambda item: not list_contains(b, item));
create macro array_intersect (a, b) as list_intersect(a, b);
create macro array_union (a, b) as list_distinct(list_concat(a, b));
create macro arrays_overlap (a, b) as list_has_any(a, b);
create macro sequence
    (first date, last date) as list_transform(generate_series(first, last, interval 1 day), lambda d: cast(d as date)),
    (first, last) as generate_series(first, last),
    (first, last, step) as generate_series(first, last, step);
create macro to_milliseconds (value) as cast(epoch_ms(value) as bigint);
create macro last_day_of_month (value) as last_day(value);
create macro url_extract_host (url) as regexp_extract(url, '^[^:/]+://([^/:?#]+)', 1);
create macro url_extract_path (url) as regexp_extract(url, '^[^:/]+://[^/?#]*([^?#]*)', 1);
create macro url_extract_protocol (url) as regexp_extract(url, '^([^:/]+)://', 1);
create macro normalize (value) as nfc_normalize(value);
create macro json_parse (value) as cast(value as json);
create macro json_format (value) as cast(value as varchar);
create macro rand () as random();
