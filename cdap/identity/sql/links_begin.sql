-- Taking every linked record into scope
create temp table resolve_scope as
select node_a as node
from resolve_links
union
select node_b as node
from resolve_links;

-- Preparing for components
create temp table resolve_components (node bigint, component bigint);

-- Preparing for conflicts
create temp table resolve_conflicts (component bigint);
