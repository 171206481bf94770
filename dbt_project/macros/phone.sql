{# SQL: a telephone number as typed, in E.164 (`+` and up to 15 digits), null when it cannot be one.
   `calling_code`, `trunk_prefix` and `international_prefix` are columns of the region where it was typed, null when
   that is unknown: then only the international forms are understood. Only spelling is looked at, not whether such a
   number is assigned. #}
{% macro to_e164(phone, calling_code, trunk_prefix, international_prefix) -%}
    {%- set typed -%} regexp_replace({{ phone }}, '[^0-9+]', '') {%- endset -%}
    {%- set digits -%} regexp_replace({{ phone }}, '[^0-9]', '') {%- endset -%}
    {%- set prefix -%} coalesce({{ international_prefix }}, '00') {%- endset -%}
    {%- set international -%}
        case
            when left({{ typed }}, 1) = '+' then {{ digits }}
            when left({{ digits }}, len({{ prefix }})) = {{ prefix }}
                then substring({{ digits }}, len({{ prefix }}) + 1, 40)
            when {{ calling_code }} is null then null
            when len({{ trunk_prefix }}) > 0 and left({{ digits }}, len({{ trunk_prefix }})) = {{ trunk_prefix }}
                then {{ calling_code }} || substring({{ digits }}, len({{ trunk_prefix }}) + 1, 40)
            else {{ calling_code }} || {{ digits }}
        end
    {%- endset -%}
    case
        when len({{ international }}) between 8 and 15 and left({{ international }}, 1) <> '0'
            then '+' || {{ international }}
    end
{%- endmacro %}
