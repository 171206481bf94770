-- transaction: none
-- Redshift runs statements on external objects outside a transaction (AWS: CREATE EXTERNAL TABLE, usage notes).
-- Each statement is safe to run again.
create external schema if not exists raw
from data catalog
database :raw_database
iam_role :role_arn;

create external schema if not exists lake
from data catalog
database :clean_database
iam_role :role_arn;
