{{ config(dist='customer_id', sort=['order_day', 'customer_id']) }}

with

orders as (

    select * from {{ ref('int_shop__orders') }}

),

items as (

    select * from {{ ref('int_shop__order_items') }}

),

members as (

    select
        customer_id,
        record_key
    from {{ source('identity', 'current_members') }}

),

order_items_summary as (

    select
        order_id,
        count(*) as line_count,
        cast(sum(quantity) as bigint) as item_count,
        cast(sum(line_amount) as decimal(18, 2)) as items_amount
    from items
    group by order_id

)

select
    'shop.orders:' || cast(orders.order_id as varchar(20)) as order_key,
    members.customer_id,
    orders.customer_record_key,
    orders.order_day,
    orders.ordered_at,
    orders.status,
    orders.channel,
    orders.currency,
    orders.total_amount,
    coalesce(order_items_summary.items_amount, 0) as items_amount,
    coalesce(order_items_summary.line_count, 0) as line_count,
    coalesce(order_items_summary.item_count, 0) as item_count
from orders
left join members on orders.customer_record_key = members.record_key
left join order_items_summary on orders.order_id = order_items_summary.order_id
