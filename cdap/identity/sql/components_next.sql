-- Keeping the round's result
drop table resolve_pointers;
-- Keeping the round's result
create temp table resolve_pointers as
select node, parent
from resolve_jumped;
-- Keeping the round's result
drop table resolve_jumped;
-- Keeping the round's result
drop table resolve_hooks;
-- Keeping the round's result
drop table resolve_grandparents;
