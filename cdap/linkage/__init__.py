"""Record linkage of persons in any table: latent classes over comparison patterns, average linkage over their scores.

Knows no cloud, no Airflow and no warehouse: DuckDB does the work on the machine that it runs on. The method and where
its figures come from: docs/decisions/latent-classes.md. `config` is light to import; `resolve` brings the rest.
"""
