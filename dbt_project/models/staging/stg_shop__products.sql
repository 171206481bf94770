with

source as (

    select records.*
    from {{ source('lake', 'shop_products') }} as records
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
        cast(product_id as bigint) as product_id,

        -- attributes
        cast(name as varchar(300)) as product_name,
        cast(category as varchar(100)) as category,

        -- numerics
        cast(list_price as decimal(12, 2)) as list_price,

        -- timestamps
        cast(updated_at as timestamp) as updated_at,

        -- load
        cast(load as varchar(40)) as load_id

    from source

)

select * from renamed
