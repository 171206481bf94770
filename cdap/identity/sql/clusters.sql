-- Giving every record its cluster, linked or not
create temp table resolve_clusters as
select
    records.node,
    records.record_key,
    records.first_seen_at,
    coalesce(components.component, records.node) as cluster
from resolve_records as records
left join resolve_components as components on records.node = components.node;
