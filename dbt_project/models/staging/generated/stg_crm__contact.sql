-- Made from config/sources by `cdap sources generate`: change the source's file and run it again.
with

source as (

    select records.*
    from {{ source('lake', 'crm_contact') }} as records
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
        cast("accountid" as varchar(72)) as "accountid",
        cast("firstname" as varchar(160)) as "firstname",
        cast("lastname" as varchar(320)) as "lastname",
        cast("email" as varchar(320)) as "email",
        cast("phone" as varchar(160)) as "phone",
        cast("mobilephone" as varchar(160)) as "mobilephone",
        cast("birthdate" as date) as "birthdate",
        cast("mailingstreet" as varchar(1020)) as "mailingstreet",
        cast("mailingcity" as varchar(160)) as "mailingcity",
        cast("mailingpostalcode" as varchar(80)) as "mailingpostalcode",
        cast("mailingcountry" as varchar(65535)) as "mailingcountry",
        cast("leadsource" as varchar(65535)) as "leadsource",
        cast("hasoptedoutofemail" as boolean) as "hasoptedoutofemail",
        cast("shop_customer_number__c" as varchar(80)) as "shop_customer_number__c",
        cast("createddate" as timestamp) as "createddate",
        cast("lastmodifieddate" as timestamp) as "lastmodifieddate",
        cast("systemmodstamp" as timestamp) as "systemmodstamp",
        cast(load as varchar(40)) as load_id,
        cast(dt as varchar(10)) as dt
    from versions
    where copy_number = 1 and not "isdeleted"

)

select * from renamed
