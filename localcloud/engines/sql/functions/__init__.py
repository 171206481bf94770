"""Redshift's functions: which are DuckDB's own, which are macros, which need a rule of translation."""
