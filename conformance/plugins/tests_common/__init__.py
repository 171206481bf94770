"""What the provider's system tests import from Airflow's own repository, which no distribution holds."""
