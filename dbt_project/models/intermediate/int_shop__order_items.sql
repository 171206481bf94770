{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        dist='order_id',
        sort=['order_day', 'order_id'],
        pre_hook="{{ delete_days_to_build('shop', 'order_day') }}"
    )
}}

with

items as (

    select * from {{ ref('stg_shop__order_items') }}
    {% if is_incremental() %}
        where {{ in_days_to_build('shop', 'dt') }}
    {% endif %}

)

select
    order_item_id,
    order_id,
    product_id,
    cast(dt as date) as order_day,
    quantity,
    line_amount,
    load_id
from items
