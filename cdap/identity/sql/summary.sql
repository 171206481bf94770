-- Counting what was resolved
select
    (select count(*) from resolve_clusters) as records,
    (select count(*) from resolve_links where used) as links,
    (select count(*) from resolve_links where not used) as links_apart,
    (select count(distinct customer_id) from resolve_members) as customers,
    (select count(distinct home) from resolve_homes) as households,
    coalesce((
        select max(members)
        from (select count(*) as members from resolve_members group by customer_id) as sizes
    ), 0) as largest;

-- Counting the events of the run
select
    kind,
    count(*) as events
from "identity".events
where run_id = :run_id
group by kind
order by kind;
