{{ config(dist='record_key', sort='record_key') }}

with

customers as (

    select * from {{ ref('stg_shop__customers') }}

),

regions as (

    select * from {{ ref('phone_regions') }}

),

shop_customers as (

    select
        'shop.customers:' || cast(customers.customer_id as varchar(20)) as record_key,
        cast('shop' as varchar(63)) as source,
        cast('customers' as varchar(63)) as entity,
        cast(customers.customer_id as varchar(255)) as source_id,
        customers.registered_at as first_seen_at,
        customers.updated_at as changed_at,
        nullif(lower(trim(customers.email)), '') as email,
        {{ to_e164('customers.phone', 'regions.calling_code', 'regions.trunk_prefix', 'regions.international_prefix') }}
            as phone,
        'shop:' || cast(customers.customer_id as varchar(20)) as account_id,
        nullif(trim(customers.first_name), '') as first_name,
        nullif(trim(customers.last_name), '') as last_name,
        customers.birth_date,
        nullif(trim(customers.street), '') as street,
        nullif(trim(customers.city), '') as city,
        nullif(trim(customers.postcode), '') as postcode,
        customers.country,
        customers.has_marketing_consent
    from customers
    left join regions on customers.country = regions.region

)

select * from shop_customers
