"""Domain library of the Customer Data Analytics Platform: pure Python, no Airflow."""
