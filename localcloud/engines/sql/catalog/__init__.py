"""The system catalog: what is kept of each relation beside DuckDB's own catalog, and the views that show it."""
