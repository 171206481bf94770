{# SQL: among a customer's records the most recent value that is one; of records changed at one instant that of the
   smallest key. The same for each of the customer's rows. #}
{% macro most_recent(column) -%}
    first_value({{ column }}) ignore nulls over (
        partition by customer_id
        order by changed_at desc, record_key asc
        rows between unbounded preceding and unbounded following
    )
{%- endmacro %}
