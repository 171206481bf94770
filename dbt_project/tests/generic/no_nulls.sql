{#- None of the columns is null in any row: one query for all of them. -#}
{% test no_nulls(model, columns) %}

    select *
    from {{ model }}
    where {{ columns | join(' is null or ') }} is null

{% endtest %}
