-- Taking the links to connect, in both directions
create temp table resolve_neighbours as
select distinct
    both_directions.node,
    both_directions.neighbour
from (
    select node_a as node, node_b as neighbour
    from resolve_links
    where used
    union all
    select node_b as node, node_a as neighbour
    from resolve_links
    where used
) as both_directions
inner join resolve_scope as scope on both_directions.node = scope.node;

-- Making every record its own component
create temp table resolve_pointers as
select
    node,
    node as parent
from resolve_scope;
