"""What Airflow lacks for the platform: operators and triggers of services without one, and the platform's stages."""
