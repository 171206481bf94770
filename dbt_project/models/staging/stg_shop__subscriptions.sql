with

source as (

    select records.*
    from {{ source('lake', 'shop_subscriptions') }} as records
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
        cast(subscription_id as bigint) as subscription_id,
        cast(customer_id as bigint) as customer_id,

        -- attributes
        cast(plan as varchar(100)) as plan,
        cast(status as varchar(20)) as status,

        -- timestamps
        cast(started_at as timestamp) as started_at,
        cast(ended_at as timestamp) as ended_at,
        cast(updated_at as timestamp) as updated_at,

        -- load
        cast(load as varchar(40)) as load_id

    from source

)

select * from renamed
