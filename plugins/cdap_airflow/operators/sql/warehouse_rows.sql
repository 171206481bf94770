-- Rows of the loads that this run claimed, and records that identity gets to see.
select
    (
        select coalesce(sum(load_tables.rows_out), 0)
        from ops.load_tables
        inner join (
            select distinct
                source,
                load_id
            from ops.partition_loads
            where claimed_by = %s
        ) as claimed
            on load_tables.source = claimed.source and load_tables.load_id = claimed.load_id
    ) as rows_in,
    (select count(*) from intermediate.int_identity_records) as rows_out
