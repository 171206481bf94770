-- Made from config/sources by `cdap sources generate`: change the source's file and run it again.
with

source as (

    select records.*
    from {{ source('lake', 'crm_account') }} as records
    where records.load in ({{ claimed_loads('crm') }})

),

versions as (

    select
        *,
        row_number() over (
            partition by "id"
            order by "systemmodstamp" desc, load desc
        ) as copy_number
    from source

),

renamed as (

    select
        cast("id" as varchar(65535)) as "id",
        cast("name" as varchar(1020)) as "name",
        cast("type" as varchar(65535)) as "type",
        cast("phone" as varchar(160)) as "phone",
        cast("billingstreet" as varchar(1020)) as "billingstreet",
        cast("billingcity" as varchar(160)) as "billingcity",
        cast("billingpostalcode" as varchar(80)) as "billingpostalcode",
        cast("billingcountry" as varchar(65535)) as "billingcountry",
        cast("createddate" as timestamp) as "createddate",
        cast("lastmodifieddate" as timestamp) as "lastmodifieddate",
        cast("systemmodstamp" as timestamp) as "systemmodstamp",
        cast(load as varchar(40)) as load_id,
        cast(dt as varchar(10)) as dt
    from versions
    where copy_number = 1 and not "isdeleted"

)

select * from renamed
