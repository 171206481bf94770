-- Finding the weakest rule of each component that holds two values of an exclusive field
create temp table resolve_weakest as
select
    components.component,
    max(links.priority) as priority
from resolve_links as links
inner join resolve_components as components on links.node_a = components.node
inner join resolve_conflicts as conflicts on components.component = conflicts.component
where links.used
group by components.component;

-- Setting aside the links that hold two values of an exclusive field together
create temp table resolve_broken as
select distinct
    links.node_a,
    links.node_b,
    links.priority
from resolve_links as links
inner join resolve_components as components on links.node_a = components.node
inner join resolve_weakest as weakest
    on components.component = weakest.component and links.priority = weakest.priority
where links.used;

-- Setting aside the links that hold two values of an exclusive field together
update resolve_links
set used = false
from resolve_broken
where
    resolve_links.node_a = resolve_broken.node_a
    and resolve_links.node_b = resolve_broken.node_b
    and resolve_links.priority = resolve_broken.priority;

-- Taking the records of those components into scope
delete from resolve_scope;

-- Taking the records of those components into scope
insert into resolve_scope (node)
select components.node
from resolve_components as components
inner join resolve_conflicts as conflicts on components.component = conflicts.component;

-- Dropping what is done
drop table resolve_weakest;
-- Dropping what is done
drop table resolve_broken;
