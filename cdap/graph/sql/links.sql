-- Reading the links between records
select
    record_key_a,
    record_key_b,
    rule,
    used,
    bits,
    evidence
from "identity".edges
where known_to is null
