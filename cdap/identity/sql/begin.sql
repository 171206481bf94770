-- Preparing for the records' clusters
create temp table resolve_assigned (record_key varchar(512), cluster varchar(64), household varchar(64));

-- Preparing for the links
create temp table resolve_links (
    record_key_a varchar(512), record_key_b varchar(512), rule varchar(128), bits double precision,
    evidence varchar(2048), used boolean
);
