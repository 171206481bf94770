{{ config(dist='customer_id', sort='customer_id') }}

with

members as (

    select
        customer_id,
        record_key
    from {{ source('identity', 'current_members') }}

),

records as (

    select
        members.customer_id,
        records.record_key,
        records.first_seen_at,
        records.changed_at,
        records.street,
        records.city,
        records.postcode,
        records.country
    from {{ ref('int_identity_records') }} as records
    inner join members on records.record_key = members.record_key

),

customers as (

    select
        customer_id,
        count(*) as record_count,
        min(first_seen_at) as first_seen_at,
        max(changed_at) as changed_at
    from records
    group by customer_id

),

golden as (

    select
        customer_id,
        max(case when attribute = 'first_name' then value end) as first_name,
        max(case when attribute = 'last_name' then value end) as last_name,
        max(case when attribute = 'email' then value end) as email,
        max(case when attribute = 'phone' then value end) as phone,
        cast(max(case when attribute = 'birth_date' then value end) as date) as birth_date,
        max(case when attribute = 'address' then value end) as address_record_key,
        max(case when attribute = 'country' then value end) as country,
        max(case when attribute = 'has_marketing_consent' then value end) = 'true' as has_marketing_consent
    from {{ ref('customer_golden_values') }}
    group by customer_id

)

select
    customers.customer_id,
    golden.first_name,
    golden.last_name,
    golden.email,
    golden.phone,
    golden.birth_date,
    addresses.street,
    addresses.city,
    addresses.postcode,
    coalesce(addresses.country, golden.country) as country,
    golden.has_marketing_consent,
    customers.record_count,
    customers.first_seen_at,
    customers.changed_at
from customers
left join golden on customers.customer_id = golden.customer_id
left join records as addresses on golden.address_record_key = addresses.record_key
