-- Each row is a hop of the state chain: how many rows came to it and how many it gave on.
select
    'members of records' as hop,
    (select count(*) from intermediate.int_identity_records) as expected,
    (
        select count(*)
        from intermediate.int_identity_records
        inner join identity.current_members
            on int_identity_records.record_key = current_members.record_key
    ) as found
union all
select
    'records of members' as hop,
    (select count(*) from identity.current_members) as expected,
    (select count(*) from intermediate.int_identity_records) as found
union all
select
    'customers of members' as hop,
    (select count(distinct customer_id) from identity.current_members) as expected,
    (select count(*) from marts.dim_customer) as found
union all
select
    'profiles of customers' as hop,
    (select count(*) from marts.dim_customer) as expected,
    (select count(distinct customer_id) from marts.customer_profile) as found
union all
select
    'one profile a customer' as hop,
    (select count(distinct customer_id) from marts.customer_profile) as expected,
    (select count(*) from marts.customer_profile) as found
