"""Full load of PostgreSQL tables into S3 files, in the file format of AWS Database Migration Service."""
