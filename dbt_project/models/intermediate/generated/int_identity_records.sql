-- Made from config/sources by `cdap sources generate`: change the source's file and run it again.
{{ config(dist='record_key', sort='record_key') }}

select * from {{ ref('int_crm__identity_records') }}

union all

select * from {{ ref('int_shop__identity_records') }}
