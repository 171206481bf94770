{# SQL: the days of a source that this state run has to build; without the variable state_run all that were claimed. #}
{% macro days_to_build(source_name) -%}
    {%- set run = dbt.string_literal(dbt.escape_single_quotes(var('state_run'))) -%}
    {%- set claim = 'claimed_by = ' ~ run if var('state_run') else 'claimed_by is not null' -%}
    select day
    from {{ source('ops', 'partition_loads') }}
    where source = {{ dbt.string_literal(dbt.escape_single_quotes(source_name)) }} and {{ claim }}
{%- endmacro %}


{# For a pre-hook of a model that is incremental by day: removes the days that are about to be built again. #}
{% macro delete_days_to_build(source_name, day_column) -%}
    {% if is_incremental() %}
        delete from {{ this }} where {{ adapter.quote(day_column) }} in ({{ days_to_build(source_name) }})
    {% endif %}
{%- endmacro %}


{# SQL: a condition on the partition column `dt` (varchar) for the days to build. The days stand in it as literals, so
   that the files to read of an external table are known before the query runs. #}
{% macro in_days_to_build(source_name, column) -%}
    {%- set days = [] -%}
    {%- if execute -%}
        {%- set query -%}
            select distinct to_char(day, 'YYYY-MM-DD') as day
            from ({{ days_to_build(source_name) }}) as days
            order by 1
        {%- endset -%}
        {%- set days = run_query(query).columns[0].values() -%}
    {%- endif -%}
    {%- if days -%}
        {{ column }} in ('{{ days | join("', '") }}')
    {%- else -%}
        1 = 0
    {%- endif -%}
{%- endmacro %}


{# SQL: a condition on the partition column `load` for a table that comes whole: the newest load of its source that was
   claimed, as a literal, for the reason given above. #}
{% macro is_newest_load(source_name, column) -%}
    {%- set loads = [] -%}
    {%- if execute -%}
        {%- set query -%}
            select load_id
            from {{ source('ops', 'partition_loads') }}
            where
                source = {{ dbt.string_literal(dbt.escape_single_quotes(source_name)) }}
                and claimed_by is not null
            order by extracted_at desc, load_id desc
            limit 1
        {%- endset -%}
        {%- set loads = run_query(query).columns[0].values() -%}
    {%- endif -%}
    {{ column }} = {{ dbt.string_literal(dbt.escape_single_quotes(loads[0])) if loads else 'null' }}
{%- endmacro %}


{# SQL: a query of the ids of every load of a source that was claimed. #}
{% macro claimed_loads(source_name) -%}
    select load_id
    from {{ source('ops', 'partition_loads') }}
    where source = {{ dbt.string_literal(dbt.escape_single_quotes(source_name)) }} and claimed_by is not null
{%- endmacro %}
