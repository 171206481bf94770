-- Made from config/sources by `cdap sources generate`: change the source's file and run it again.
{{ config(materialized='view', bind=false) }}

select
    'shop.customers:' || cast(records."customer_id" as varchar(255)) as record_key,
    cast('shop' as varchar(63)) as source,
    cast('customers' as varchar(63)) as entity,
    cast(records."customer_id" as varchar(255)) as source_id,
    cast(records."registered_at" as timestamp) as first_seen_at,
    cast(records."updated_at" as timestamp) as changed_at,
    nullif(lower(trim(records."email")), '') as email,
    {{ to_e164('records."phone"', 'regions.calling_code', 'regions.trunk_prefix', 'regions.international_prefix') }} as phone,
    'shop:' || cast(records."customer_id" as varchar(255)) as account_id,
    nullif(trim(records."first_name"), '') as first_name,
    nullif(trim(records."last_name"), '') as last_name,
    records."birth_date" as birth_date,
    nullif(trim(records."street"), '') as street,
    nullif(trim(records."city"), '') as city,
    nullif(trim(records."postcode"), '') as postcode,
    records."country" as country,
    records."marketing_consent" as has_marketing_consent
from {{ ref('stg_shop__customers') }} as records
left join {{ ref('phone_regions') }} as regions on records."country" = regions.region
