{# A model's schema is the one it names, as it stands: environments are apart by database and account. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
