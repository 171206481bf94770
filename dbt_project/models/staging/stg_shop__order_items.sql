with

source as (

    select records.*
    from {{ source('lake', 'shop_order_items') }} as records
    inner join {{ ref('stg_ops__current_loads') }} as loads
        on
            records.dt = loads.dt
            and records.load = loads.load_id
            and loads.source = 'shop'

),

renamed as (

    select
        -- ids
        cast(order_item_id as bigint) as order_item_id,
        cast(order_id as bigint) as order_id,
        cast(product_id as bigint) as product_id,

        -- numerics
        cast(quantity as integer) as quantity,
        cast(line_amount as decimal(12, 2)) as line_amount,

        -- timestamps
        cast(ordered_at as timestamp) as ordered_at,

        -- load
        cast(load as varchar(40)) as load_id,
        cast(dt as varchar(10)) as dt

    from source

)

select * from renamed
