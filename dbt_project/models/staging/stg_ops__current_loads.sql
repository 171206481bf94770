{{ config(materialized='table', dist='all') }}

with

source as (

    select * from {{ source('ops', 'partition_loads') }}

),

claimed as (

    -- Loads that landed after this state run began are not its business.
    select
        source,
        day,
        load_id,
        extracted_at,
        row_number() over (partition by source, day order by extracted_at desc, load_id desc) as newest_of_day,
        row_number() over (partition by source order by extracted_at desc, load_id desc, day desc) as newest_of_source
    from source
    where claimed_by is not null

)

select
    source,
    day,
    to_char(day, 'YYYY-MM-DD') as dt,
    load_id,
    extracted_at,
    newest_of_source = 1 as is_snapshot
from claimed
where newest_of_day = 1
