-- Customers that identity made, and profiles of them.
select
    (select count(distinct customer_id) from identity.current_members) as rows_in,
    (select count(*) from marts.customer_profile) as rows_out
