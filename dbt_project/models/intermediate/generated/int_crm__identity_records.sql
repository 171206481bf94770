-- Made from config/sources by `cdap sources generate`: change the source's file and run it again.
{{ config(materialized='view', bind=false) }}

select
    'crm.contact:' || cast(records."id" as varchar(255)) as record_key,
    cast('crm' as varchar(63)) as source,
    cast('contact' as varchar(63)) as entity,
    cast(records."id" as varchar(255)) as source_id,
    cast(records."createddate" as timestamp) as first_seen_at,
    cast(records."systemmodstamp" as timestamp) as changed_at,
    nullif(lower(trim(records."email")), '') as email,
    coalesce({{ to_e164('records."mobilephone"', 'regions.calling_code', 'regions.trunk_prefix', 'regions.international_prefix') }}, {{ to_e164('records."phone"', 'regions.calling_code', 'regions.trunk_prefix', 'regions.international_prefix') }}) as phone,
    'shop:' || nullif(trim(records."shop_customer_number__c"), '') as account_id,
    nullif(trim(records."firstname"), '') as first_name,
    nullif(trim(records."lastname"), '') as last_name,
    records."birthdate" as birth_date,
    nullif(trim(records."mailingstreet"), '') as street,
    nullif(trim(records."mailingcity"), '') as city,
    nullif(trim(records."mailingpostalcode"), '') as postcode,
    records."mailingcountry" as country,
    not records."hasoptedoutofemail" as has_marketing_consent
from {{ ref('stg_crm__contact') }} as records
left join {{ ref('phone_regions') }} as regions on records."mailingcountry" = regions.region
