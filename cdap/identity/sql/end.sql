-- Dropping what the resolution no longer needs
drop table if exists resolve_assigned;
-- Dropping what the resolution no longer needs
drop table if exists resolve_homes;
-- Dropping what the resolution no longer needs
drop table if exists resolve_household_founders;
-- Dropping what the resolution no longer needs
drop table if exists resolve_household_elected;
-- Dropping what the resolution no longer needs
drop table if exists resolve_household_minted;
-- Dropping what the resolution no longer needs
drop table if exists resolve_household_changes;
-- Dropping what the resolution no longer needs
drop table if exists resolve_links;
-- Dropping what the resolution no longer needs
drop table if exists resolve_clusters;
-- Dropping what the resolution no longer needs
drop table if exists resolve_last;
-- Dropping what the resolution no longer needs
drop table if exists resolve_orphans;
-- Dropping what the resolution no longer needs
drop table if exists resolve_heirs;
-- Dropping what the resolution no longer needs
drop table if exists resolve_elected;
-- Dropping what the resolution no longer needs
drop table if exists resolve_minted;
-- Dropping what the resolution no longer needs
drop table if exists resolve_members;
-- Dropping what the resolution no longer needs
drop table if exists resolve_changes;
-- Dropping what the resolution no longer needs
drop table if exists resolve_link_changes;
-- Dropping what the resolution no longer needs
drop table if exists resolve_absorbed;
-- Dropping what the resolution no longer needs
drop table if exists resolve_aliases;
-- Dropping what the resolution no longer needs
drop table if exists resolve_alias_changes;
-- Dropping what the resolution no longer needs
drop table if exists resolve_before;
-- Dropping what the resolution no longer needs
drop table if exists resolve_after;
-- Dropping what the resolution no longer needs
drop table if exists resolve_ended;
-- Dropping what the resolution no longer needs
drop table if exists resolve_begun;
-- Dropping what the resolution no longer needs
drop table if exists resolve_transfers;
-- Dropping what the resolution no longer needs
drop table if exists resolve_link_ends;
-- Dropping what the resolution no longer needs
drop table if exists resolve_causes;
-- Dropping what the resolution no longer needs
drop table if exists resolve_events;
