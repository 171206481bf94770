-- Reading which record is of which customer
select
    record_key,
    customer_id
from "identity".current_members
