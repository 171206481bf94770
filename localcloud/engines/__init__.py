"""What does the work behind the services."""
