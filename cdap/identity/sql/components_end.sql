-- Replacing the components that were done again
delete from resolve_components
where node in (select node from resolve_scope);

-- Keeping the components
insert into resolve_components (node, component)
select
    node,
    parent as component
from resolve_pointers;

-- Dropping what the rounds left
drop table resolve_pointers;
-- Dropping what the rounds left
drop table resolve_neighbours;
