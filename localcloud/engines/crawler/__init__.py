"""A crawler: reads the objects under S3 paths and says which tables, columns and partitions they are."""
