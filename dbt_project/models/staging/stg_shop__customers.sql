with

source as (

    select records.*
    from {{ source('lake', 'shop_customers') }} as records
    inner join {{ ref('stg_ops__current_loads') }} as loads
        on
            records.dt = loads.dt
            and records.load = loads.load_id
            and loads.source = 'shop'
            and loads.is_snapshot
    where {{ is_newest_load('shop', 'records.load') }}

),

renamed as (

    select
        -- ids
        cast(customer_id as bigint) as customer_id,

        -- identifiers
        cast(email as varchar(320)) as email,
        cast(phone as varchar(40)) as phone,

        -- attributes
        cast(first_name as varchar(200)) as first_name,
        cast(last_name as varchar(200)) as last_name,
        cast(birth_date as date) as birth_date,
        cast(street as varchar(300)) as street,
        cast(city as varchar(200)) as city,
        cast(postcode as varchar(20)) as postcode,
        cast(country as varchar(2)) as country,
        cast(marketing_consent as boolean) as marketing_consent,

        -- timestamps
        cast(registered_at as timestamp) as registered_at,
        cast(updated_at as timestamp) as updated_at,

        -- load
        cast(load as varchar(40)) as load_id

    from source

)

select * from renamed
