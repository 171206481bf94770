-- Counting the records whose component changed
select count(*)
from resolve_pointers as old
inner join resolve_jumped as new on old.node = new.node
where old.parent <> new.parent;
