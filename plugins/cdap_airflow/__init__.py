"""What Airflow lacks for the platform: operators, triggers, hooks and pages."""
