"""What runs the scripts of Glue jobs: the Spark and the Python of Glue 5.1, in an environment of their own."""
