"""Trino's SQL, as Athena speaks it, on DuckDB over the tables of the data catalog."""
