{{ config(dist='customer_id', sort='customer_id') }}

{#- The columns of the published document; the hash over them says whether it has changed. -#}
{%- set document = [
    'customer_id', 'household_id', 'first_name', 'last_name', 'email', 'phone', 'birth_date', 'street', 'city', 'postcode', 'country',
    'has_marketing_consent', 'emails', 'phones', 'source_records', 'record_count', 'first_seen_at', 'changed_at',
    'order_count', 'cancelled_order_count', 'returned_order_count', 'item_count', 'currency', 'total_amount',
    'average_order_amount', 'other_currency_order_count', 'first_order_at', 'last_order_at', 'favourite_category',
    'recency_score', 'frequency_score', 'monetary_score', 'subscription_status', 'active_subscription_count',
    'subscription_plans'
] -%}
{%- set booleans = ['has_marketing_consent'] -%}

with

customers as (

    select * from {{ ref('dim_customer') }}

),

households as (

    select * from {{ source('identity', 'current_households') }}

),

orders as (

    select * from {{ ref('fct_orders') }}
    where customer_id is not null

),

items as (

    select * from {{ ref('int_shop__order_items') }}

),

products as (

    select * from {{ ref('stg_shop__products') }}

),

subscriptions as (

    select * from {{ ref('stg_shop__subscriptions') }}

),

identity_records as (

    select * from {{ ref('int_identity_records') }}

),

members as (

    select
        customer_id,
        record_key
    from {{ source('identity', 'current_members') }}

),

-- The newest day there is, not the clock: the same days give the same figures whenever they are built.
as_of as (

    select max(day) as as_of_day from {{ ref('stg_ops__current_loads') }}

),

customer_records as (

    select
        members.customer_id,
        identity_records.record_key,
        identity_records.email,
        identity_records.phone,
        row_number() over (partition by members.customer_id order by identity_records.record_key) as record_number
    from members
    inner join identity_records on members.record_key = identity_records.record_key

),

record_keys as (

    -- At most 200, for a list is at most 65,535 bytes long; record_count says how many there are.
    select
        customer_id,
        min(record_key) as first_record_key,
        listagg(record_key, '|') within group (order by record_key) as source_records
    from customer_records
    where record_number <= 200
    group by customer_id

),

contacts as (

    select
        customer_id,
        'email' as kind,
        email as contact
    from customer_records
    union all
    select
        customer_id,
        'phone' as kind,
        phone as contact
    from customer_records

),

numbered_contacts as (

    select
        customer_id,
        kind,
        contact,
        row_number() over (partition by customer_id, kind order by contact) as contact_number
    from contacts
    where contact is not null and position('|' in contact) = 0
    group by customer_id, kind, contact

),

customer_contacts as (

    select
        customer_id,
        listagg(case when kind = 'email' then contact end, '|') within group (order by contact) as emails,
        listagg(case when kind = 'phone' then contact end, '|') within group (order by contact) as phones
    from numbered_contacts
    where contact_number <= 100
    group by customer_id

),

orders_by_currency as (

    select
        customer_id,
        currency,
        count(*) as order_count,
        sum(total_amount) as total_amount,
        row_number() over (partition by customer_id order by count(*) desc, currency) as currency_number
    from orders
    where status = 'completed'
    group by customer_id, currency

),

order_counts as (

    select
        customer_id,
        cast(sum(case when status = 'completed' then 1 else 0 end) as bigint) as order_count,
        cast(sum(case when status = 'cancelled' then 1 else 0 end) as bigint) as cancelled_order_count,
        cast(sum(case when status = 'returned' then 1 else 0 end) as bigint) as returned_order_count,
        cast(sum(case when status = 'completed' then item_count else 0 end) as bigint) as item_count,
        min(case when status = 'completed' then ordered_at end) as first_order_at,
        max(case when status = 'completed' then ordered_at end) as last_order_at
    from orders
    group by customer_id

),

scores as (

    -- Ties go by the smallest record key and not by customer_id, which is a matter of history.
    select
        order_counts.customer_id,
        ntile(5) over (
            order by order_counts.last_order_at, record_keys.first_record_key
        ) as recency_score,
        ntile(5) over (
            order by order_counts.order_count, order_counts.last_order_at, record_keys.first_record_key
        ) as frequency_score,
        ntile(5) over (
            partition by orders_by_currency.currency
            order by orders_by_currency.total_amount, order_counts.last_order_at, record_keys.first_record_key
        ) as monetary_score
    from order_counts
    inner join record_keys on order_counts.customer_id = record_keys.customer_id
    inner join orders_by_currency
        on
            order_counts.customer_id = orders_by_currency.customer_id
            and orders_by_currency.currency_number = 1

),

category_counts as (

    select
        orders.customer_id,
        products.category,
        row_number() over (
            partition by orders.customer_id
            order by sum(items.quantity) desc, products.category
        ) as category_number
    from orders
    inner join items on orders.order_key = 'shop.orders:' || cast(items.order_id as varchar(20))
    inner join products on items.product_id = products.product_id
    where orders.status = 'completed' and products.category is not null
    group by orders.customer_id, products.category

),

customer_subscriptions as (

    select
        members.customer_id,
        subscriptions.plan,
        subscriptions.status
    from subscriptions
    inner join members
        on 'shop.customers:' || cast(subscriptions.customer_id as varchar(20)) = members.record_key

),

subscription_counts as (

    select
        customer_id,
        cast(sum(case when status = 'active' then 1 else 0 end) as bigint) as active_subscription_count,
        case
            when max(case when status = 'active' then 1 else 0 end) = 1 then 'active'
            when max(case when status = 'paused' then 1 else 0 end) = 1 then 'paused'
            else 'cancelled'
        end as subscription_status
    from customer_subscriptions
    group by customer_id

),

active_plans as (

    select distinct
        customer_id,
        plan
    from customer_subscriptions
    where status = 'active'

),

subscription_plans as (

    select
        customer_id,
        listagg(plan, '|') within group (order by plan) as subscription_plans
    from active_plans
    group by customer_id

),

joined as (

    select
        customers.customer_id,
        households.household_id,
        customers.first_name,
        customers.last_name,
        customers.email,
        customers.phone,
        customers.birth_date,
        customers.street,
        customers.city,
        customers.postcode,
        customers.country,
        customers.has_marketing_consent,
        nullif(customer_contacts.emails, '') as emails,
        nullif(customer_contacts.phones, '') as phones,
        record_keys.source_records,
        customers.record_count,
        customers.first_seen_at,
        customers.changed_at,

        coalesce(order_counts.order_count, 0) as order_count,
        coalesce(order_counts.cancelled_order_count, 0) as cancelled_order_count,
        coalesce(order_counts.returned_order_count, 0) as returned_order_count,
        coalesce(order_counts.item_count, 0) as item_count,
        orders_by_currency.currency,
        cast(coalesce(orders_by_currency.total_amount, 0) as decimal(18, 2)) as total_amount,
        cast(
            round(orders_by_currency.total_amount / orders_by_currency.order_count, 2) as decimal(18, 2)
        ) as average_order_amount,
        coalesce(order_counts.order_count - orders_by_currency.order_count, 0) as other_currency_order_count,
        order_counts.first_order_at,
        order_counts.last_order_at,
        category_counts.category as favourite_category,

        scores.recency_score,
        scores.frequency_score,
        scores.monetary_score,

        subscription_counts.subscription_status,
        coalesce(subscription_counts.active_subscription_count, 0) as active_subscription_count,
        subscription_plans.subscription_plans,

        as_of.as_of_day,
        datediff(day, cast(order_counts.last_order_at as date), as_of.as_of_day) as days_since_last_order
    from customers
    inner join record_keys on customers.customer_id = record_keys.customer_id
    cross join as_of
    left join households on customers.customer_id = households.customer_id
    left join customer_contacts on customers.customer_id = customer_contacts.customer_id
    left join order_counts on customers.customer_id = order_counts.customer_id
    left join orders_by_currency
        on
            customers.customer_id = orders_by_currency.customer_id
            and orders_by_currency.currency_number = 1
    left join category_counts
        on
            customers.customer_id = category_counts.customer_id
            and category_counts.category_number = 1
    left join scores on customers.customer_id = scores.customer_id
    left join subscription_counts on customers.customer_id = subscription_counts.customer_id
    left join subscription_plans on customers.customer_id = subscription_plans.customer_id

)

select
    *,
    sha2(
        {% for column in document %}
            {% if column in booleans -%}
                case {{ column }} when true then 'true' when false then 'false' else '~' end
            {%- else -%}
                coalesce(cast({{ column }} as varchar(65535)), '~')
            {%- endif %}
            {{ "|| chr(31) ||" if not loop.last }}
        {% endfor %},
        256
    ) as profile_hash
from joined
