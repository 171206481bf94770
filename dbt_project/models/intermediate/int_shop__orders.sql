{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        dist='customer_record_key',
        sort=['order_day', 'order_id'],
        pre_hook="{{ delete_days_to_build('shop', 'order_day') }}"
    )
}}

with

orders as (

    select * from {{ ref('stg_shop__orders') }}
    {% if is_incremental() %}
        where {{ in_days_to_build('shop', 'dt') }}
    {% endif %}

)

select
    order_id,
    'shop.customers:' || cast(customer_id as varchar(20)) as customer_record_key,
    cast(dt as date) as order_day,
    ordered_at,
    status,
    channel,
    currency,
    total_amount,
    load_id
from orders
