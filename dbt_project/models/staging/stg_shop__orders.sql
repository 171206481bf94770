with

source as (

    select records.*
    from {{ source('lake', 'shop_orders') }} as records
    inner join {{ ref('stg_ops__current_loads') }} as loads
        on
            records.dt = loads.dt
            and records.load = loads.load_id
            and loads.source = 'shop'

),

renamed as (

    select
        -- ids
        cast(order_id as bigint) as order_id,
        cast(customer_id as bigint) as customer_id,

        -- attributes
        cast(status as varchar(20)) as status,
        cast(channel as varchar(20)) as channel,
        cast(currency as varchar(3)) as currency,

        -- numerics
        cast(total_amount as decimal(12, 2)) as total_amount,

        -- timestamps
        cast(ordered_at as timestamp) as ordered_at,

        -- load
        cast(load as varchar(40)) as load_id,
        cast(dt as varchar(10)) as dt

    from source

)

select * from renamed
