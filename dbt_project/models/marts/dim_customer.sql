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
        records.*,
        count(*) over (partition by records.email) as email_records,
        count(*) over (partition by records.phone) as phone_records
    from {{ ref('int_identity_records') }} as records
    inner join members on records.record_key = members.record_key

),

-- A value that half the world shares, or that forms are filled with, is not anybody's.
credible as (

    select
        customer_id,
        record_key,
        first_seen_at,
        changed_at,
        first_name,
        last_name,
        country,
        has_marketing_consent,
        case when email_records <= {{ var('shared_contact_limit') }} then email end as email,
        case when phone_records <= {{ var('shared_contact_limit') }} then phone end as phone,
        case when birth_date > '1900-01-01' then birth_date end as birth_date,
        -- An address is of one record or of none: its parts are not mixed.
        case when street is not null or postcode is not null then record_key end as address_record_key,
        street,
        city,
        postcode
    from records

),

-- The most recent value that is one wins; of records changed at one instant that with the smallest key.
survivors as (

    select
        customer_id,
        record_key,
        first_seen_at,
        changed_at,
        {{ most_recent('first_name') }} as first_name,
        {{ most_recent('last_name') }} as last_name,
        {{ most_recent('email') }} as email,
        {{ most_recent('phone') }} as phone,
        {{ most_recent('birth_date') }} as birth_date,
        {{ most_recent('country') }} as country,
        {{ most_recent('has_marketing_consent') }} as has_marketing_consent,
        {{ most_recent('address_record_key') }} as address_record_key
    from credible

),

customers as (

    select
        customer_id,
        max(first_name) as first_name,
        max(last_name) as last_name,
        max(email) as email,
        max(phone) as phone,
        max(birth_date) as birth_date,
        max(address_record_key) as address_record_key,
        max(country) as country,
        max(case has_marketing_consent when true then 1 when false then 0 end) = 1 as has_marketing_consent,
        count(*) as record_count,
        min(first_seen_at) as first_seen_at,
        max(changed_at) as changed_at
    from survivors
    group by customer_id

)

select
    customers.customer_id,
    customers.first_name,
    customers.last_name,
    customers.email,
    customers.phone,
    customers.birth_date,
    credible.street,
    credible.city,
    credible.postcode,
    coalesce(credible.country, customers.country) as country,
    customers.has_marketing_consent,
    customers.record_count,
    customers.first_seen_at,
    customers.changed_at
from customers
left join credible on customers.address_record_key = credible.record_key
