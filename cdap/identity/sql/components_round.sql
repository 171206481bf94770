-- Looking up the grandparents
create temp table resolve_grandparents as
select
    pointers.node,
    pointers.parent,
    parents.parent as grandparent
from resolve_pointers as pointers
inner join resolve_pointers as parents on pointers.parent = parents.node;

-- Finding the smallest grandparent around each record
create temp table resolve_hooks as
select
    own.node,
    own.parent,
    min(around.grandparent) as smallest
from resolve_neighbours as neighbours
inner join resolve_grandparents as own on neighbours.node = own.node
inner join resolve_grandparents as around on neighbours.neighbour = around.node
group by own.node, own.parent;

-- Pointing at the smallest
create temp table resolve_jumped as
select
    node,
    min(candidate) as parent
from (
    select node, grandparent as candidate
    from resolve_grandparents
    union all
    select node, smallest as candidate
    from resolve_hooks
    union all
    select parent as node, smallest as candidate
    from resolve_hooks
) as candidates
group by node;
