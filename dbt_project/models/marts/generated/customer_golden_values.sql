-- Made from config/identity.yaml by `cdap sources generate`: change its rules and run it again.
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
        source,
        changed_at,
        first_name,
        last_name,
        street,
        city,
        postcode,
        country,
        has_marketing_consent,
        case when email_records <= {{ var('shared_contact_limit') }} then email end as email,
        case when phone_records <= {{ var('shared_contact_limit') }} then phone end as phone,
        case when birth_date > '1900-01-01' then birth_date end as birth_date,
        case when street is not null or postcode is not null then record_key end as address_record_key
    from records

),

weighed as (

    select
        customer_id,
        cast('first_name' as varchar(32)) as attribute,
        cast(first_name as varchar(1024)) as value,
        cast('most_recent' as varchar(32)) as rule,
        record_key,
        source,
        changed_at,
        cast(0 as bigint) as weight
    from credible

    union all

    select
        customer_id,
        cast('last_name' as varchar(32)) as attribute,
        cast(last_name as varchar(1024)) as value,
        cast('most_recent' as varchar(32)) as rule,
        record_key,
        source,
        changed_at,
        cast(0 as bigint) as weight
    from credible

    union all

    select
        customer_id,
        cast('email' as varchar(32)) as attribute,
        cast(email as varchar(1024)) as value,
        cast('most_recent' as varchar(32)) as rule,
        record_key,
        source,
        changed_at,
        cast(0 as bigint) as weight
    from credible

    union all

    select
        customer_id,
        cast('phone' as varchar(32)) as attribute,
        cast(phone as varchar(1024)) as value,
        cast('most_recent' as varchar(32)) as rule,
        record_key,
        source,
        changed_at,
        cast(0 as bigint) as weight
    from credible

    union all

    select
        customer_id,
        cast('birth_date' as varchar(32)) as attribute,
        cast(cast(birth_date as varchar(10)) as varchar(1024)) as value,
        cast('most_frequent' as varchar(32)) as rule,
        record_key,
        source,
        changed_at,
        cast(count(*) over (partition by customer_id, cast(birth_date as varchar(10))) as bigint) as weight
    from credible

    union all

    select
        customer_id,
        cast('address' as varchar(32)) as attribute,
        cast(address_record_key as varchar(1024)) as value,
        cast('most_recent' as varchar(32)) as rule,
        record_key,
        source,
        changed_at,
        cast(0 as bigint) as weight
    from credible

    union all

    select
        customer_id,
        cast('country' as varchar(32)) as attribute,
        cast(country as varchar(1024)) as value,
        cast('most_recent' as varchar(32)) as rule,
        record_key,
        source,
        changed_at,
        cast(0 as bigint) as weight
    from credible

    union all

    select
        customer_id,
        cast('has_marketing_consent' as varchar(32)) as attribute,
        cast(case has_marketing_consent when true then 'true' when false then 'false' end as varchar(1024)) as value,
        cast('strictest' as varchar(32)) as rule,
        record_key,
        source,
        changed_at,
        cast(case when has_marketing_consent then 0 else 1 end as bigint) as weight
    from credible

),

ranked as (

    select
        *,
        row_number() over (
            partition by customer_id, attribute
            order by weight desc, changed_at desc, record_key
        ) as place
    from weighed
    where value is not null

)

select
    customer_id,
    attribute,
    value,
    rule,
    record_key,
    source,
    changed_at
from ranked
where place = 1
