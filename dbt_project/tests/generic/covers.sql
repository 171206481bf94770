{#- Every value of the other model's field, nulls aside, stands in this column. -#}
{% test covers(model, column_name, of, field) %}

    select other.{{ field }}
    from {{ of }} as other
    left join {{ model }} as covering on other.{{ field }} = covering.{{ column_name }}
    where other.{{ field }} is not null and covering.{{ column_name }} is null

{% endtest %}
